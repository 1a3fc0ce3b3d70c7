// What the metrics tell of lbd itself, as a process.
import EventLoop
import Model
import Proxy
import SystemCalls

struct ProcessReading: Reading {
    let labels = Labels.none
    let startedAt: Timestamp
    let isStopping: Bool
    let connections: Int
    let connectionsMax: Int
    let workers: Int
    let hasReloaded: Bool
    let unsavedChanges: Int
    let hops: TimeCounts
    let logLinesDropped: UInt64
    let usage: ProcessUsage

    @ControlPlane init(_ handler: CommandHandler, _ usage: ProcessUsage) {
        let plane = handler.status.plane
        startedAt = handler.status.startedAt
        isStopping = handler.isStopping
        connections = plane.statistics.process.held
        connectionsMax = plane.connectionsMax
        workers = plane.workerCount
        hasReloaded = handler.running.reloadFailure == nil
        unsavedChanges = handler.running.unsavedChanges
        hops = plane.statistics.hopTimes()
        logLinesDropped = handler.logLinesDropped()
        self.usage = usage
    }
}

extension ProcessReading {
    /// 1 µs to 1 s.
    private static let hops = TimeBounds(from: 1_024, to: 1_024 << 20, times: 2)
    private static let version = Labels(["version": sluiceVersion])

    static let families: [Family<ProcessReading>] = [
        .info("lb_build_info", by: "version", help: "Always 1; the version of lbd.") { $1.add(true, version) },
        .gauge("lb_stopping", help: "1 while lbd ends: it accepts no more, and its connections finish.") { $1.add($0.isStopping) },
        .gauge("lb_workers", help: "Threads of the data plane.") { $1.add($0.workers) },
        .gauge("lb_process_connections", help: "Connections of all listeners that are open now.") { $1.add($0.connections) },
        .gauge("lb_process_connections_max", help: "The most that lbd carries: configured, or by its descriptor limit.") { $1.add($0.connectionsMax) },
        .histogram("lb_hop_seconds", help: "What lbd itself adds, from readable to written; of some of its rounds.", bounds: hops) { $0.hops },
        .gauge("lb_config_last_reload_successful", help: "0 when the last reload of the configuration file has changed nothing, as the file had errors.") {
            $1.add($0.hasReloaded)
        },
        .gauge("lb_unsaved_changes", help: "Changes made by commands that the configuration file does not have.") { $1.add($0.unsavedChanges) },
        .counter("lb_log_dropped_total", help: "Lines of the log that were dropped, as whoever reads it was too slow.") { $1.add($0.logLinesDropped) },
        .gauge("process_start_time_seconds", in: .seconds, help: "When lbd started, in seconds since 1970.") { $1.add($0.startedAt) },
        .counter("process_cpu_seconds_total", in: .seconds, help: "Processor time that all threads of lbd have used.") {
            $1.add(nanoseconds: UInt64($0.usage.processorNanoseconds))
        },
        .gauge("process_resident_memory_bytes", in: .bytes, help: "Memory of lbd that is in use.") { row, samples in
            if let bytes = row.usage.residentBytes { samples.add(bytes) }
        },
        .gauge("process_virtual_memory_bytes", in: .bytes, help: "Addresses of lbd, most of them without memory.") { row, samples in
            if let bytes = row.usage.virtualBytes { samples.add(bytes) }
        },
        .gauge("process_open_fds", help: "Descriptors that lbd has open.") { row, samples in
            if let count = row.usage.descriptors { samples.add(count) }
        },
        .gauge("process_max_fds", help: "The descriptor limit.") { $1.add($0.usage.descriptorsMax) },
    ]
}
