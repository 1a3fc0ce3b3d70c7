// One command to every balancer at once, their answers kept apart, and the worst of their ends.
import ControlClient
import ControlProtocol
import EventLoop
import Model

@ControlPlane struct Fleet {
    let balancers: [Balancer]
    let console: Console
    let isJSON: Bool

    /// A balancer that is well answers at once, and while it waits for something tells so each second.
    static let silenceMax = Duration.seconds(10)
    /// Where it has to ask its workers, or to take up a whole file.
    static let workMax = Duration.seconds(30)

    init(_ global: GlobalOptions, _ console: Console) {
        balancers = global.balancers
        self.console = console
        isJSON = global.isJSON
    }

    /// Runs `body` for each at once, tells what failed, and gives the worst status. Cancelling the task
    /// cancels all.
    func each(_ body: @escaping @ControlPlane @Sendable (Balancer) async throws(Failure) -> Void) async -> ExitStatus {
        let tasks = balancers.map { balancer in
            start { () async -> Failure? in
                do throws(Failure) { try await body(balancer) } catch { return error }
                return nil
            }
        }
        var worst = ExitStatus.done
        for (balancer, task) in zip(balancers, tasks) {
            let failure = await withTaskCancellationHandler {
                await task.value
            } onCancel: {
                for task in tasks { task.cancel() }
            }
            guard let failure else { continue }
            tell(failure, of: balancer)
            if failure.code.rawValue > worst.rawValue { worst = failure.code }
        }
        return worst
    }

    /// Prints a command's answer a record a line, as it comes. `silenceMax` nil: it may take as long as it likes.
    func report<Record: Codable & Sendable>(
        _ command: Command, as type: Record.Type, silenceMax: Duration? = Fleet.silenceMax, text: @escaping @ControlPlane @Sendable (Record) -> String
    ) async -> ExitStatus {
        await each { balancer throws(Failure) in
            try await balancer.perform(command, decoding: type, silenceMax: silenceMax) {
                show($0, of: balancer, text: text($0))
                warn($0, of: balancer)
            }
        }
    }

    func show(_ record: some Encodable, of balancer: Balancer, text: String) {
        guard isJSON else { return console.data(console.prefixes ? "\(balancer.control): \(text)" : text) }
        console.data(console.prefixes ? JSONText.line(Attributed(control: balancer.control, content: record)) : JSONText.line(record))
    }

    /// What people should not miss: beside the data, in JSON too.
    func warn(_ record: some Sendable, of balancer: Balancer) {
        guard let warning = (record as? any Warning)?.warning else { return }
        console.message("lbctl: warning: " + (console.prefixes ? "\(balancer.control): " : "") + warning)
    }

    private func tell(_ failure: Failure, of balancer: Balancer) {
        let names = console.prefixes && !failure.message.contains(balancer.control)
        console.message("lbctl: " + (names ? "\(balancer.control): " : "") + failure.message)
    }
}

/// A balancer's answer with the balancer's name among its keys.
struct Attributed<Content: Encodable>: Encodable {
    let control: String
    let content: Content

    private enum Key: CodingKey { case control }

    func encode(to encoder: any Encoder) throws {
        var keys = encoder.container(keyedBy: Key.self)
        try keys.encode(control, forKey: .control)
        try content.encode(to: encoder)
    }
}
