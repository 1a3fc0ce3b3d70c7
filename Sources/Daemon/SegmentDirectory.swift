// Names and states in the statistics segment, for whoever looks from outside: written when they change, rates and the
// sign of life once a second.
import EventLoop
import Model
import Proxy
import Statistics
import SystemCalls

@ControlPlane final class SegmentDirectory {
    private let plane: DataPlane
    private let events: EventLog
    private var hasWarned = false

    private var view: SegmentView { plane.statistics }

    init(plane: DataPlane, events: EventLog) { (self.plane, self.events) = (plane, events) }

    // MARK: Backends

    /// `before`: what the slot's counters stood at when it was given out.
    func publish(_ backend: Backend, of pool: Pool, before: BackendTotals?) {
        guard !backend.isGone else { return }
        let configuration = backend.configuration
        let entry = BackendEntry(
            pool: pool.index, name: backend.reference.backend.text, address: IPEndpoint(configuration.address), wish: backend.wish,
            probe: backend.history.finding, availability: backend.availability, weight: configuration.weight,
            connectionsMax: configuration.connectionsMax)
        let drain = backend.drain.map {
            ObservedDrain(owner: $0.owner, reason: $0.reason, since: $0.since, deadline: $0.deadline, leaseUntil: backend.leaseUntil)
        }
        publish(entry, BackendDetails(before: before, drain: drain, path: configuration.address.path), slot: backend.slot)
    }

    /// Its connections go on.
    func publish(_ former: FormerAddress, of pool: Pool, before: BackendTotals?) {
        var entry = BackendEntry(
            pool: pool.index, name: former.reference.backend.text, address: IPEndpoint(former.address), wish: .drain, probe: .unknown,
            availability: .draining, weight: 0, connectionsMax: nil)
        entry.isFormer = true
        publish(entry, BackendDetails(before: before, drain: nil, path: former.address.path), slot: former.slot)
    }

    private func publish(_ entry: BackendEntry, _ details: BackendDetails, slot: Int) {
        var entry = entry
        if !details.isEmpty {
            do throws(SystemError) {
                try plane.segment.reserveDetails(slot: slot)
                // Before the entry that says they are there.
                view.write(details, slot: slot)
                entry.hasDetails = true
            } catch {
                warn("details of \(entry.name): \(error)")
            }
        }
        view.write(entry, slot: slot)
    }

    func forget(slot: Int) {
        view.write(nil as BackendEntry?, slot: slot)
        view.write(rate: 0, byteRate: 0, slot: slot)
    }

    /// It works without; said once.
    private func warn(_ text: String) {
        guard !hasWarned else { return }
        hasWarned = true
        events.reportFailure("statistics segment: no memory for \(text); lbctl top does not show them")
    }

    // MARK: Pools and listeners

    func publish(_ pool: Pool) {
        view.write(PoolEntry(name: pool.configuration.name.text, balance: pool.configuration.balance.rawValue), pool: pool.index)
    }

    func forget(pool: Int) { view.write(nil as PoolEntry?, pool: pool) }

    func publish(_ listener: OpenListener, before: ListenerTotals) {
        view.write(
            ListenerEntry(
                name: listener.configuration.name.text, bind: listener.endpoint.description, pool: listener.configuration.pool.text, before: before),
            listener: listener.index)
    }

    func forget(listener: Int) {
        view.write(nil as ListenerEntry?, listener: listener)
        view.write(rate: 0, listener: listener)
    }
}

extension Endpoint {
    /// Of a Unix socket, else none.
    fileprivate var path: String {
        switch self {
        case .unix(let path): path
        case .ipv4, .ipv6: ""
        }
    }
}

/// That lbd lives: once a second.
@ControlPlane final class SignOfLife {
    private let plane: DataPlane
    private var process: ProcessEntry

    init(plane: DataPlane, startedAt: Timestamp, descriptorsMax: Int) throws(SystemError) {
        self.plane = plane
        process = ProcessEntry(
            version: sluiceVersion, pid: Processes.own, startTime: try ProcessTrace.of(Processes.own)?.startTime ?? 0, startedAt: startedAt,
            boot: try ProcessTrace.boot(), connectionsMax: plane.connectionsMax, descriptorsMax: descriptorsMax)
        process.ownListener = plane.ownListener
    }

    func beat(isStopping: Bool) {
        process.isStopping = isStopping
        process.connectionsMax = plane.connectionsMax
        plane.statistics.write(process)
        plane.statistics.write(Beat(monotonic: Clocks.monotonic(), calendar: Clocks.calendar(), descriptors: Limits.descriptorsInUse()))
        plane.beat()
    }
}
