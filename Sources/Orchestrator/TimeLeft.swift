// How long a running rollout will still take: predicted anew from time to time, and for whoever asks.
import ControlClient
import ControlProtocol
import EventLoop
import Model
import Rollout
import SystemCalls

extension Orchestrator {
    static let forecastInterval = Duration.seconds(5)

    /// Nil where the balancers do not measure, where it is being stopped, and where nothing is left.
    func timeLeft() async -> Prediction.Span? {
        guard machine.remainder(now: now) != nil, let measured = await fleet.measured(order.plan.pool, ages: true) else { return nil }
        // As it is after the answer.
        guard let remainder = machine.remainder(now: now) else { return nil }
        let watched = remainder.isBaking ? watchBegan.map { $0.duration(to: now) } ?? .zero : .zero
        let bake = max(.zero, remainder.bake - watched)
        guard !remainder.batches.isEmpty || bake > .zero else { return nil }
        let times = earlier.and(remainder.done, byHand: order.plan.isByHand)
        return Prediction(
            remainder.batches.map { $0.map { Prediction.Work($0.backend, $0.phase, holders: measured.holders(of: $0.backend)) } },
            measured.experience(restarts: times.restarts(byHand: order.plan.isByHand), readies: times.readies),
            Prediction.Terms(drainDeadline: order.limits.drain, bake: bake)
        ).whole
    }

    /// Until it is cancelled.
    func tellTimeLeft() async {
        repeat {
            let left = await timeLeft()
            guard !Task.isCancelled else { return }
            if let left {
                predicted = (left.median, left.ninetieth, Clocks.calendar())
                tell(nil, .timeLeft(left))
            }
        } while await EventLoop.pause(for: Orchestrator.forecastInterval)
    }
}
