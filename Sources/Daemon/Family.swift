// A metric together with how its samples are read from a row: a process, a listener, a pool, a backend.
import EventLoop
import Model

/// What the metrics tell of one thing, as of one moment.
protocol Reading: Sendable {
    static var families: [Family<Self>] { get }
    /// Those by which its series are told apart from others of the family.
    var labels: Labels { get }
}

struct Family<Row: Reading>: Sendable {
    let metric: Metric
    let add: @ControlPlane (Row, inout Samples) -> Void

    private init(
        _ kind: Metric.Kind, _ name: String, _ unit: Metric.Unit?, _ labels: [String], _ help: String,
        _ add: @escaping @ControlPlane (Row, inout Samples) -> Void
    ) {
        metric = Metric(name: name, kind: kind, unit: unit, labels: labels, help: help)
        self.add = add
    }

    static func counter(
        _ name: String, in unit: Metric.Unit? = nil, by labels: String..., help: String,
        _ add: @escaping @ControlPlane (Row, inout Samples) -> Void
    ) -> Family { Family(.counter, name, unit, labels, help, add) }

    static func gauge(
        _ name: String, in unit: Metric.Unit? = nil, by labels: String..., help: String,
        _ add: @escaping @ControlPlane (Row, inout Samples) -> Void
    ) -> Family { Family(.gauge, name, unit, labels, help, add) }

    static func info(
        _ name: String, by labels: String..., help: String, _ add: @escaping @ControlPlane (Row, inout Samples) -> Void
    ) -> Family { Family(.info, name, nil, labels, help, add) }

    /// Of times.
    static func histogram(
        _ name: String, by labels: String..., help: String, bounds: TimeBounds, _ times: @escaping @ControlPlane (Row) -> TimeCounts
    ) -> Family {
        Family(.histogram, name, .seconds, labels, help) { row, samples in samples.add(times(row), bounds) }
    }
}
