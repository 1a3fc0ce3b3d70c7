// lbctl top: what lbd does, from the statistics that it leaves in memory: it need not answer, nor live.
import ArgumentParser
import ControlProtocol
import EventLoop
import Model
import Statistics
import SystemCalls

struct TopCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "top", abstract: "Shows live what a balancer does, also one that is stopped, hangs or has crashed.",
        discussion: """
            Reads the statistics segment, a file that lbd keeps in memory, and asks lbd nothing. Where the file lies stands in \
            CONTROL.statistics beside the control socket, and in STATE-DIRECTORY/statistics. On a terminal it is a live view, \
            whose keys stand at its bottom ('?' explains them); elsewhere, and with --once or -o json, it is printed once. \
            FAILED and RESETS count failed connects and resets by the backend, CONNECT is the mean connect time, ages and idle \
            times end now.

            -o json: {process: {version, pid, startedAt, liveness, silentSeconds?, silentSince?, stopping, connections, \
            connectionsMax, descriptors, descriptorsMax}, workers: [{index, connections, lag}], listeners: [{name, bind, pool, \
            connections, connectionsTotal, refused, rate}], pools: [{name, balance, connectTime, firstByte, duration (each \
            {count, p50?, p99?}), backends: [{name, address, wish, probe, availability, connections, connectionsMax?, \
            connectionsTotal, connectFailures, resets, resetsByClients, bytesToBackend, bytesToClient, weight, rate, byteRate, \
            connectTime?, drain?: {owner, reason?, since, deadline?, leaseUntil?}}]}], connections: [{id, client?, listener, \
            pool, backend?, phase, bytesToBackend, bytesToClient, age, idle}], connectionsListed, unlisted, unread}. liveness: \
            running, stopped (by a signal), hung (also one that is stopped, where its process cannot be seen from here) or crashed; \
            silentSeconds since its last sign of life. Durations are seconds, \
            rates per second over lbd's last second. unlisted: live connections beyond the table's room; unread: those that \
            changed at every try to read them.

            Exit status: 0 also for an lbd that does not run, with a warning; 5 where there are no statistics at all.
            """)

    @OptionGroup var global: GlobalOptions

    @Argument(help: "Only this pool.", transform: Word.pool)
    var pool: PoolName?

    @Flag(help: "Print it once, and no live view.")
    var once = false

    @Option(help: "Backends with most of it first; name: by the alphabet. (default: as configured)")
    var sort: TopSort?

    @Option(help: ArgumentHelp("How often the live view looks. (default: 1s)", valueName: "duration"), transform: Word.duration)
    var interval: Duration = .seconds(1)

    @Flag(help: "With --once: list the connections too, the oldest first. In JSON they always are.")
    var connections = false

    @Option(help: ArgumentHelp("How many connections are listed at most. (default: \(ConnectionsOrder.limitDefault); in JSON all)", valueName: "number"))
    var limit: Int?

    @Option(help: ArgumentHelp("The segment itself, instead of --control.", valueName: "path"), completion: .file())
    var segment: String?

    @Option(help: ArgumentHelp("The state directory of a balancer, instead of --control.", valueName: "path"), completion: .directory)
    var stateDirectory: String?

    private static let intervals: ClosedRange<Duration> = .milliseconds(100) ... .seconds(3600)

    func validate() throws {
        guard TopCommand.intervals.contains(interval) else { throw ValidationError("--interval is 100ms to 1h") }
        guard limit.map({ $0 >= 0 }) ?? true else { throw ValidationError("--limit is 0 or more") }
        guard segment == nil || stateDirectory == nil else { throw ValidationError("--segment and --state-directory: give one of them") }
        guard segment != "", stateDirectory != "" else { throw ValidationError("a path has at least one character") }
    }

    var places: [SegmentPlace] {
        if let segment { return [.segment(segment)] }
        if let stateDirectory { return [.stateDirectory(stateDirectory)] }
        return global.balancers.map { .control($0.control) }
    }

    /// A screen that can be drawn on, and somebody who types.
    private var isLive: Bool {
        guard !once, !connections, !global.isJSON, let kind = Environment.value("TERM"), kind != "dumb" else { return false }
        return Terminal.isTerminal(0) && Terminal.isTerminal(1)
    }

    func perform(_ console: Console) async -> ExitStatus {
        let first = TopOnce(self, console)
        guard isLive else { return first.show() }
        // Whatever stands in the way is said on the screen that the operator keeps.
        if let failed = first.check() { return failed }
        do throws(SystemError) {
            let live = try TopLive(places, pool: pool?.text, sort: sort, interval: interval, isColoured: console.isColoured)
            try await live.run()
            return .done
        } catch {
            console.message("lbctl: the live view has ended: \(error); 'lbctl top --once' needs no terminal")
            return .failed
        }
    }
}
