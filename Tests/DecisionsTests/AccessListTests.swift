// Whom a listener serves. Faults: a mask that is off by one, an IPv4 client in IPv6's clothes that slips past a deny.
import Decisions
import Model
import Testing

struct AccessListTests {
    private func admits(_ address: String, allow: [String] = ["0.0.0.0/0", "::/0"], deny: [String] = []) throws -> Bool {
        let allow = try allow.map { try Network($0) }
        let deny = try deny.map { try Network($0) }
        return AccessList.admits(try #require(IPAddress(address)), allow: allow.span, deny: deny.span)
    }

    @Test("deny wins, and whoever is in neither list is not served")
    func order() throws {
        #expect(try admits("10.1.2.3"))
        #expect(try !admits("10.1.2.3", deny: ["10.0.0.0/8"]))
        #expect(try !admits("10.1.2.3", allow: ["10.1.2.3"], deny: ["10.0.0.0/8"]))
        #expect(try !admits("11.1.2.3", allow: ["10.0.0.0/8"]))
        #expect(try !admits("11.1.2.3", allow: []))
        #expect(try !admits("::1", allow: ["0.0.0.0/0"]), "one family's everybody is not the other's")
        #expect(try !admits("1.2.3.4", allow: ["::/0"]))
    }

    @Test("::ffff:10.0.0.1 is 10.0.0.1, so that nobody gets past a deny by the way a proxy spells him")
    func mapped() throws {
        #expect(try !admits("::ffff:10.0.0.1", deny: ["10.0.0.0/8"]))
        #expect(try admits("::ffff:10.0.0.1", allow: ["10.0.0.0/8"]))
        #expect(try admits("::fffe:10.0.0.1", deny: ["10.0.0.0/8"]))
    }

    @Test("the default lists make no difference, and others do")
    func everybody() throws {
        let all = try [Network("0.0.0.0/0"), Network("::/0")]
        #expect(AccessList.admitsEverybody(allow: all, deny: []))
        #expect(!AccessList.admitsEverybody(allow: [all[0]], deny: []))
        #expect(!AccessList.admitsEverybody(allow: all, deny: [try Network("1.2.3.4")]))
        #expect(!AccessList.admitsEverybody(allow: [], deny: []))
    }
}
