// lbctl status: pools and backends, and what holds them.
import ArgumentParser
import ControlClient
import ControlProtocol
import EventLoop
import Model

struct StatusCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Shows wish, probe, availability and connections of pools and backends.")

    @OptionGroup var global: GlobalOptions

    @Argument(help: ArgumentHelp("Only these pools and backends, each POOL or POOL/BACKEND.", valueName: "pool[/backend]"), transform: Word.scope)
    var scopes: [StatusScope] = []

    func perform(_ console: Console) async -> ExitStatus {
        let fleet = Fleet(global, console)
        let answers = Answers()
        let scope = scopes.reduce(StatusScope.everything) { $0.and($1) }
        let status = await fleet.each { balancer throws(Failure) in
            do throws(Failure) { answers.reports[balancer] = try await balancer.status(scope, silenceMax: Fleet.silenceMax) } catch {
                answers.failures[balancer] = error.message
                throw error
            }
        }
        switch global.output {
        case .json: showJSON(answers, fleet)
        case .table, .wide:
            for (index, balancer) in fleet.balancers.enumerated() {
                guard let report = answers.reports[balancer] else { continue }
                if console.prefixes { console.data((index > 0 ? "\n" : "") + "\(balancer.control):") }
                for line in StatusTable.lines(report, wide: global.output == .wide) {
                    console.data(console.isColoured ? Paint.states(in: line) : line)
                }
            }
        }
        return status
    }

    @ControlPlane private func showJSON(_ answers: Answers, _ fleet: Fleet) {
        guard fleet.balancers.count > 1 else {
            if let report = answers.reports[fleet.balancers[0]] { fleet.console.data(JSONText.line(report)) }
            return
        }
        let entries = fleet.balancers.map { balancer in
            Attributed(
                control: balancer.control,
                content: Answer(report: answers.reports[balancer], error: answers.failures[balancer]))
        }
        fleet.console.data(JSONText.line(["balancers": entries]))
    }
}

@ControlPlane private final class Answers {
    var reports: [Balancer: StatusReport] = [:]
    var failures: [Balancer: String] = [:]
}

/// A report's own keys, or `error` alone.
private struct Answer: Encodable {
    let report: StatusReport?
    let error: String?

    private enum Key: CodingKey { case error }

    func encode(to encoder: any Encoder) throws {
        if let report { return try report.encode(to: encoder) }
        var keys = encoder.container(keyedBy: Key.self)
        try keys.encode(error, forKey: .error)
    }
}
