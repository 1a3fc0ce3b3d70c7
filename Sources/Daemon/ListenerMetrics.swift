// What the metrics tell of a listener.
import EventLoop
import Model
import Statistics

/// Raw value: its place among a listener's counters.
enum ListenerCounter: Int, CaseIterable {
    case accepted, refused
    /// The first of them: one for each ending follows.
    case endings
}

extension Ending {
    /// In the order of their counters.
    static let all = Culprit.allCases.flatMap { by in EndReason.allCases.map { Ending(by: by, $0) } }
}

/// Why clients wait or are turned away, though nothing is broken.
enum OverloadCause: String, CaseIterable {
    /// As many as the listener's connections-max.
    case listenerFull = "listener-full"
    /// As many as the process carries.
    case processFull = "process-full"
    /// The listener's rate is used up.
    case rate
    /// Descriptors or memory have run out: some worker does not accept.
    case acceptPaused = "accept-paused"
    /// Every backend that takes connections has as many as it may.
    case poolFull = "pool-full"
}

/// Of all listeners of that name: one that was removed lives on until its last connection has ended, beside the one that
/// was added since.
struct ListenerReading: Reading {
    let labels: Labels
    let connections: Int
    let connectionsMax: Int?
    let overloads: Set<OverloadCause>
    private let counts: [UInt64]

    @ControlPlane init(_ name: ListenerName, _ all: [OpenListener], _ listeners: Listeners, _ table: PoolTable) {
        labels = Labels(["listener": name.text])
        connections = all.reduce(0) { $0 + table.plane.statistics.tickets(listener: $1.index).held }
        connectionsMax = all.first?.configuration.connectionsMax
        overloads = all.first { !$0.isClosing }.map { listeners.overloads(of: $0, table) } ?? []
        counts = listeners.counts(of: name)
    }

    func count(_ counter: ListenerCounter) -> UInt64 { counts[counter.rawValue] }

    /// By the ending's place.
    func endings(_ place: Int) -> UInt64 { counts[ListenerCounter.endings.rawValue + place] }
}

extension ListenerReading {
    private static let endings = Ending.all.map { Labels(["by": $0.by.rawValue, "reason": $0.reason.rawValue]) }
    private static let causes = Labels.each("cause", of: OverloadCause.self)

    static let families: [Family<ListenerReading>] = [
        .gauge("lb_listener_connections", by: "listener", help: "Connections of the listener's clients that are open now.") { $1.add($0.connections) },
        .gauge("lb_listener_connections_max", by: "listener", help: "The most it takes, where it has a limit.") { row, samples in
            if let most = row.connectionsMax { samples.add(most) }
        },
        .counter("lb_listener_connections_total", by: "listener", help: "Connections that were accepted, those included that were refused then.") {
            $1.add($0.count(.accepted))
        },
        .counter("lb_listener_refused_total", by: "listener", help: "Connections that ended without a backend: turned away, or none could be had.") {
            $1.add($0.count(.refused))
        },
        .counter(
            "lb_connections_ended_total", by: "listener", "by", "reason", help: "Connections that ended, by whose doing and why; only what has happened."
        ) { row, samples in
            for (place, label) in endings.enumerated() where row.endings(place) > 0 { samples.add(row.endings(place), label) }
        },
        .gauge("lb_overload", by: "listener", "cause", help: "1 while clients wait or are turned away for this cause.") { row, samples in
            for (cause, label) in causes { samples.add(row.overloads.contains(cause), label) }
        },
    ]
}
