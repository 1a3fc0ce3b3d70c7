// lbctl close: ends chosen connections.
import ArgumentParser
import ControlProtocol
import EventLoop
import Model

struct CloseCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "close", abstract: "Closes chosen connections, by the ids that 'lbctl connections' shows.",
        discussion: """
            Both sides see a clean end, unless bytes would be lost. Exit status: 1 where there is no connection with one \
            of the ids. Each balancer counts for itself: an id means another connection at another one, so there is one \
            --control, that which showed it.
            """)

    @OptionGroup var global: GlobalOptions

    @Argument(help: ArgumentHelp("One or more ids, such as 1-4711.", valueName: "id"), transform: Word.connection)
    var ids: [ConnectionID]

    @Flag(help: "Both sides see a reset.")
    var reset = false

    func validate() throws {
        guard global.balancers.count == 1 else {
            throw ValidationError("an id means another connection at each balancer; give the one --control that showed it")
        }
    }

    func perform(_ console: Console) async -> ExitStatus {
        await Fleet(global, console).report(.close(ids, reset: reset), as: CloseRecord.self, text: \.text)
    }
}

extension Word {
    static func connection(_ text: String) throws -> ConnectionID {
        do { return try ConnectionID(text) } catch { throw ValidationError(error.description) }
    }
}
