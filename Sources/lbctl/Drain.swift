// lbctl drain: no new connections, and on request the wait for the last one to end.
import ArgumentParser
import ControlClient
import ControlProtocol
import EventLoop
import Model
import Rollout
import SystemCalls

struct DrainCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "drain", abstract: "Sends backends no new connections; what stands goes on.",
        discussion: """
            At the deadline the connections that are left are kept, closed or reset: by lbd, whether or not anybody waits. \
            With --wait: until no connection holds them (exit 0), or the deadline of kept ones has passed (exit 3; they \
            stay draining). Ctrl-C ends the wait, not the drain. 'lbctl undrain' brings them back. Another drain by the same \
            owner renews the lease; a reason and a deadline that are not given again stay. The \
            last backend of a pool may be drained too: new connections then fare as the pool's when-none says.
            """)

    @OptionGroup var global: GlobalOptions
    @OptionGroup var arguments: BackendArguments

    @Flag(help: "Wait until they are empty.")
    var wait = false

    @Option(help: ArgumentHelp("How long the connections have. (default: the pool's drain deadline)", valueName: "duration"), transform: Word.duration)
    var deadline: Duration?

    @Option(help: ArgumentHelp("What happens then to those that are left: close ends idle ones first, at a pace that the others can take. (default: the pool's)", valueName: "keep|close|reset"))
    var atDeadline: DrainEnd?

    @OptionGroup var owner: OwnerOption

    @Option(help: ArgumentHelp("Why, for whoever looks at the status.", valueName: "text"), transform: Word.text)
    var reason: String?

    @Option(help: ArgumentHelp("End the drain unless it is renewed within this time.", valueName: "duration"), transform: Word.duration)
    var lease: Duration?

    func perform(_ console: Console) async -> ExitStatus {
        let fleet = Fleet(global, console)
        let command = Command.drain(DrainOrder(
            backends: arguments.backends, owner: owner.owner, reason: reason, lease: lease,
            deadline: deadline, atDeadline: atDeadline, waits: wait))
        guard wait else { return await fleet.report(command, as: DrainRecord.self, text: \.text) }
        return await performWaiting(command, fleet)
    }

    @ControlPlane private func performWaiting(_ command: Command, _ fleet: Fleet) async -> ExitStatus {
        let console = fleet.console
        let shown = Shown()
        let work = start {
            await fleet.each { balancer throws(Failure) in
                // What only time has changed since; the last of them is what the deadline found.
                var untold: [String: DrainRecord] = [:]
                do throws(Failure) {
                    try await balancer.perform(command, decoding: DrainRecord.self, silenceMax: Fleet.silenceMax) { record in
                        fleet.warn(record, of: balancer)
                        let isNews = shown.board.take(record, key: "\(balancer.control) \(record.backend)")
                        untold[record.backend] = isNews ? nil : record
                        let isEnd = record.availability != .draining
                        if isNews, isEnd || fleet.isJSON || !console.rewrites { fleet.show(record, of: balancer, text: record.text) }
                        if console.rewrites, !fleet.isJSON, shown.board.blames(record, key: "\(balancer.control) \(record.backend)") {
                            console.message(record.text)
                        }
                        if console.rewrites, !isEnd { console.progress(shown.board.line) }
                    }
                } catch {
                    let last = untold.values.filter { $0.availability == .draining }.sorted { $0.backend < $1.backend }
                    if error.code == .deadlinePassed, fleet.isJSON {
                        for record in last { fleet.show(record, of: balancer, text: record.text) }
                    }
                    throw error
                }
            }
        }
        do throws(SystemError) {
            let signals = try StopSignals {
                shown.interrupted = true
                work.cancel()
            }
            defer { signals.cancel() }
            let status = await work.value
            guard shown.interrupted else { return status }
        } catch {
            console.message("lbctl: \(error)")
            work.cancel()
        }
        let names = arguments.backends.map(\.description).joined(separator: " ")
        let by = owner.owner.map { " --owner \($0.shellQuoted)" } ?? ""
        console.message("lbctl: no longer waiting; the drain stands. To end it: lbctl undrain \(names)\(by)")
        return .failed
    }
}

extension DrainEnd: ExpressibleByArgument {}

@ControlPlane private final class Shown {
    var board = DrainBoard()
    var interrupted = false
}
