// One backend as the control plane knows it: wish, probes, lease, and whether anybody can still hold it.
import Decisions
import EventLoop
import Model
import Probing
import Proxy
import Statistics

@ControlPlane final class Backend {
    let reference: BackendReference
    /// POOL/BACKEND
    let name: String
    private(set) var configuration: BackendConfiguration
    /// Number under which the workers count its connections and tickets.
    private(set) var slot: Int
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
    /// See `Measurements`; nil: it has never had a connection.
    var load: MeasuredLoad?
    /// Taken out of the configuration: whatever the wish, it gets nothing new, and goes when it is empty.
    private(set) var isRemoving = false
    /// It is no longer in the table, and its slot is no longer its own.
    private(set) var isGone = false
    /// Nobody held it when it went.
    private(set) var wasEmpty = false
    /// As last announced by an event.
    var announced = Availability.unknown
    private(set) var prober: Prober!
    private let found: @ControlPlane (Backend, ProbeFinding, String) -> Void

    init(
        reference: BackendReference, configuration: BackendConfiguration, slot: Int, of pool: PoolConfiguration, plane: DataPlane,
        found: @escaping @ControlPlane (Backend, ProbeFinding, String) -> Void
    ) {
        self.reference = reference
        name = reference.description
        self.configuration = configuration
        self.slot = slot
        self.plane = plane
        self.found = found
        wish = configuration.wish
        prober = makeProber(pool)
    }

    private func makeProber(_ pool: PoolConfiguration) -> Prober {
        let slot = slot
        return Prober(pool.health, of: target(of: pool)) { [weak self] old, reason in
            // What is found out about a former address says nothing of this one.
            guard let self, self.slot == slot, !self.isGone else { return }
            self.found(self, old, reason)
        }
    }

    func target(of pool: PoolConfiguration) -> ProbeTarget {
        ProbeTarget(reference, at: configuration.address, sendProxy: pool.sendProxy, source: pool.transport.source)
    }

    var history: ProbeHistory { prober.history }

    /// Connections that hold it, in any phase, over all workers.
    var holders: Int { isGone ? 0 : plane.statistics.tickets(slot: slot).held }

    /// Nobody holds it, and nobody can newly arrive.
    var isEmpty: Bool {
        guard !isGone else { return true }
        guard let outSince, plane.isFollowed(outSince) else { return false }
        return holders == 0
    }

    var availability: Availability {
        Availability(wish: isRemoving ? .drain : wish, finding: history.finding, isEmpty: isEmpty, isWarming: comeback.isWarming)
    }

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
        watch()
    }

    private func watch() { plane.statistics.tickets(slot: slot).watch(wish != .ready || isRemoving) }

    // MARK: Changes of the configuration

    /// At the same address. Wish, drain and what the probes have found stay.
    func follow(_ new: BackendConfiguration, of pool: PoolConfiguration) {
        configuration = new
        prober.change(to: pool.health, of: target(of: pool))
    }

    /// To another address, of which nothing is known yet. Wish and drain stay.
    func move(to new: BackendConfiguration, slot: Int, of pool: PoolConfiguration) -> FormerAddress {
        let former = FormerAddress(of: self, plane: plane)
        prober.stop()
        (configuration, self.slot, outSince, comeback, load) = (new, slot, nil, Comeback(), nil)
        prober = makeProber(pool)
        set(wish, drain: drain)
        return former
    }

    func beRemoved() {
        isRemoving = true
        watch()
    }

    func beTakenBack() {
        isRemoving = false
        watch()
    }

    func beGone(empty: Bool) {
        (isGone, wasEmpty) = (true, empty)
        prober.stop()
    }
}
