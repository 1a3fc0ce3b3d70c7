// Names of connections. Fault: an id that is read as another one, and closes a stranger's connection.
import Model
import Testing

struct ConnectionTests {
    @Test func anIDReadsBackToItself() throws {
        for id in [ConnectionID(worker: 0, serial: 1), ConnectionID(worker: 63, serial: .max)] {
            #expect(try ConnectionID(id.description) == id)
        }
        #expect(ConnectionID(worker: 1, serial: 4711).description == "1-4711")
    }

    @Test(arguments: ["", "1", "1-", "-1", "1-2-3", "1-x", "+1-2", "1- 2", "1-99999999999999999999"])
    func nonsenseIsNone(text: String) {
        #expect(throws: ConnectionIDError.self) { try ConnectionID(text) }
    }
}
