// Carries a changed configuration out.
import ControlProtocol
import EventLoop
import Model

@ControlPlane final class Reconfiguration {
    private(set) var current: BalancerConfiguration
    /// Announced when something that was removed has come nearer to being gone.
    let departures = Broadcast()

    init(_ configuration: BalancerConfiguration) { current = configuration }

    /// Applies all or nothing: what can fail is tried before anything changes.
    /// `now`: what is removed is not drained first, its connections are reset.
    func apply(_ new: BalancerConfiguration, now: Bool, by user: String) throws(Failure) {
        current = new
    }

    /// Connections of something that was removed; nil: it is gone.
    func holders(of subject: ConfigurationSubject) -> Int? { nil }
}
