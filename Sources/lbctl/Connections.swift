// lbctl connections: each connection, those with most age, idle time or bytes first.
import ArgumentParser
import ControlProtocol
import EventLoop

struct ConnectionsCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "connections", abstract: "Shows each connection: its id, peer, age, idle time, phase and bytes.")

    @OptionGroup var global: GlobalOptions

    @Argument(help: ArgumentHelp("Only this pool's or backend's: POOL or POOL/BACKEND.", valueName: "pool[/backend]"), transform: Word.connections(of:))
    var scope: ConnectionScope?

    @Option(help: "Those with most of it first.")
    var sort = ConnectionOrder.age

    @Option(help: ArgumentHelp("How many are shown at most.", valueName: "number"))
    var limit = ConnectionsOrder.limitDefault

    func validate() throws {
        guard ConnectionsOrder.limits.contains(limit) else {
            throw ValidationError("--limit is \(ConnectionsOrder.limits.lowerBound) to \(ConnectionsOrder.limits.upperBound)")
        }
    }

    func perform(_ console: Console) async -> ExitStatus {
        let order = ConnectionsOrder(scope: scope ?? .everything, sort: sort, limit: limit)
        return await Fleet(global, console).reportLines(.connections(order), as: ConnectionsReport.self, lines: \.lines)
    }
}

extension Word {
    static func connections(of text: String) throws -> ConnectionScope {
        text.contains("/") ? .backend(try backend(text)) : .pool(try pool(text))
    }
}

extension ConnectionOrder: ExpressibleByArgument {}

extension Fleet {
    /// As `report`, for answers that are a table: under the balancer's name where there are several.
    func reportLines<Record: Codable & Sendable>(
        _ command: Command, as type: Record.Type, lines: @escaping @ControlPlane @Sendable (Record) -> [String]
    ) async -> ExitStatus {
        await each { balancer throws(Failure) in
            try await balancer.perform(command, decoding: type, silenceMax: Fleet.workMax) { record in
                if isJSON { return show(record, of: balancer, text: "") }
                if console.prefixes { console.data("\(balancer.control):") }
                for line in lines(record) { console.data(line) }
            }
        }
    }
}
