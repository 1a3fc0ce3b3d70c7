// One pool as the control plane knows it.
import Decisions
import EventLoop
import Model
import Proxy
import Statistics

@ControlPlane final class Pool {
    var configuration: PoolConfiguration
    let index: Int
    /// In the order of the configuration; those that are being removed come last.
    var backends: [Backend] = []
    /// Former addresses of backends, as long as somebody is connected there.
    var leaving: [FormerAddress] = []
    /// What was published last.
    var routing: PoolRouting? { didSet { published = routing?.targets.map(\.slot) } }
    /// Slots in the routing that was published last.
    private(set) var published: [Int]?
    /// Parts of weights that its backends get for a while.
    var shares: PoolShares?
    /// Of the pool's load; see `Measurements`.
    var meter = LoadMeter()
    /// As last announced: nobody takes new connections.
    var refuses = false
    var retirement = Retirement.none
    /// Connects of all its backends, as last summed up.
    private var summed: (connects: UInt64, at: MonotonicTime)?
    /// What the number's histogram stood at when this pool got it.
    private let lifetimesBefore: LifetimeCounts
    private let plane: DataPlane

    /// How far it is on its way out (see Proxy/Retire).
    enum Retirement {
        case none
        /// Its backends are leaving; from this generation on no listener names it.
        case leaving(since: UInt64)
        /// Workers are asked whether a connection names it.
        case releasing
    }

    init(configuration: PoolConfiguration, index: Int, plane: DataPlane) {
        self.configuration = configuration
        self.index = index
        self.plane = plane
        lifetimesBefore = plane.statistics.lifetimes(pool: index)
    }

    /// Of its connections that have ended.
    var lifetimes: LifetimeCounts { plane.statistics.lifetimes(pool: index).since(lifetimesBefore) }

    /// Not older than that: many drains of one pool ask at about the same time.
    func connects(now: MonotonicTime, within age: Duration, sum: ([Backend]) -> UInt64) -> UInt64 {
        if let summed, summed.at.duration(to: now) < age { return summed.connects }
        let connects = sum(backends)
        summed = (connects, now)
        return connects
    }

    /// Of its weight.
    func percent(_ backend: Backend) -> Int { shares?.percents[backend.reference.backend] ?? 100 }

    /// Its clients may wait for a backend (see Proxy/Queue).
    var hasLine: Bool {
        switch configuration.whenNone {
        case .hold: true
        case .refuse, .divert: configuration.backends.contains { $0.connectionsMax != nil }
        }
    }

    var isRemoving: Bool {
        switch retirement {
        case .none: false
        case .leaving, .releasing: true
        }
    }

    /// Whoever takes new connections has as many as he may.
    var isFull: Bool {
        guard let targets = routing?.targets, !targets.isEmpty else { return false }
        return targets.allSatisfy { target in target.connectionsMax.map { plane.statistics.tickets(slot: target.slot).held >= $0 } ?? false }
    }

    /// Something of it is on its way out.
    var isLosing: Bool { isRemoving || !leaving.isEmpty || backends.contains { $0.isRemoving } }
}

/// An address that new connections of a backend do not go to any more.
@ControlPlane final class FormerAddress {
    let reference: BackendReference
    let address: Endpoint
    let slot: Int
    /// As of a backend.
    var outSince: UInt64?
    private let plane: DataPlane

    init(of backend: Backend, plane: DataPlane) {
        (reference, address, slot, outSince) = (backend.reference, backend.configuration.address, backend.slot, backend.outSince)
        self.plane = plane
        plane.statistics.tickets(slot: slot).watch(true)
    }

    var holders: Int { plane.statistics.tickets(slot: slot).held }

    var isEmpty: Bool {
        guard let outSince, plane.isFollowed(outSince) else { return false }
        return holders == 0
    }
}
