// What the metrics tell of an event loop: the control plane's or a worker's.
import EventLoop
import Model
import Proxy

struct LoopReading: Reading {
    let labels: Labels
    let lag: Duration

    @ControlPlane static func all(_ handler: CommandHandler) -> [LoopReading] {
        let plane = handler.status.plane
        return [LoopReading(labels: Labels(["loop": "control"]), lag: handler.measurements.lag)]
            + (0..<plane.workerCount).map { LoopReading(labels: Labels(["loop": "worker-\($0)"]), lag: plane.lag(worker: $0)) }
    }
}

extension LoopReading {
    static let families: [Family<LoopReading>] = [
        .gauge(
            "lb_event_loop_lag_seconds", in: .seconds, by: "loop",
            help: "How long what fell due in the last second waited for the loop: control, or worker-0 and on."
        ) {
            $1.add(nanoseconds: UInt64(max(0, $0.lag.wholeNanoseconds)))
        },
    ]
}
