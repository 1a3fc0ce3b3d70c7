// One backend as the control plane knows it: wish, probes, lease, and whether anybody can still hold it.
import Decisions
import EventLoop
import Model
import Probing
import Proxy
import Statistics

@ControlPlane final class Backend {
    let reference: BackendReference
    let configuration: BackendConfiguration
    /// Number under which the workers count its connections and tickets.
    let slot: Int
    private let plane: DataPlane
    private(set) var wish: Wish
    /// Who set the wish, and until when; nil for `ready` and for wishes from the file.
    private(set) var drain: DrainLease?
    /// When the lease of its drain runs out.
    var leaseUntil: Timestamp?
    /// Routing from this generation on does not name the backend; nil while it does.
    var outSince: UInt64?
    /// What `Returns` knows of it.
    var comeback = Comeback()
    /// As last announced by an event.
    var announced = Availability.unknown
    private(set) var prober: Prober!

    init(
        reference: BackendReference, configuration: BackendConfiguration, slot: Int, health: HealthConfiguration,
        sendProxy: SendProxy, source: IPAddress?, plane: DataPlane, found: @escaping @ControlPlane (Backend, ProbeFinding, String) -> Void
    ) {
        self.reference = reference
        self.configuration = configuration
        self.slot = slot
        self.plane = plane
        wish = configuration.wish
        prober = Prober(health, endpoint: configuration.address, sendProxy: sendProxy, source: source) {
            [unowned self] old, reason in
            found(self, old, reason)
        }
    }

    var history: ProbeHistory { prober.history }

    /// Connections that hold it, in any phase, over all workers.
    var holders: Int { plane.statistics.tickets(slot: slot).held }

    /// Nobody holds it, and nobody can newly arrive.
    var isEmpty: Bool {
        guard let outSince, plane.isFollowed(outSince) else { return false }
        return holders == 0
    }

    var availability: Availability { Availability(wish: wish, finding: history.finding, isEmpty: isEmpty, isWarming: comeback.isWarming) }

    /// The one setter of the wish. The news of the last connection is asked for as long as it matters.
    func set(_ wish: Wish, drain: DrainLease?) {
        self.wish = wish
        self.drain = drain
        switch wish {
        case .ready, .drain: prober.start()
        case .maintenance:
            prober.stop()
            prober.forget()
        }
        plane.statistics.tickets(slot: slot).watch(wish != .ready)
    }
}
