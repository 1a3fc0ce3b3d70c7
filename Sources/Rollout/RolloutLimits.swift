// How long each part of a step may take.
import Model

package struct RolloutLimits: Equatable, Sendable {
    /// How long one backend may take to become empty.
    package let drain: Duration
    package let restart: Duration
    /// How long a person may take to restart one; nil: as long as it takes.
    package let byHand: Duration?
    /// How long a restarted backend may take until its probes say up.
    package let ready: Duration
    /// What becomes of the connections that are left then; those that are kept end the rollout.
    package let atDeadline: DrainEnd

    package init(drain: Duration, restart: Duration, ready: Duration, byHand: Duration? = nil, atDeadline: DrainEnd = .keep) {
        self.byHand = byHand
        self.atDeadline = atDeadline
        self.drain = drain
        self.restart = restart
        self.ready = ready
    }
}
