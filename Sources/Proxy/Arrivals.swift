// What one listener takes of new connections: its rate, the rate of each source, and the connections of each source.
//
// Nothing here is asked where a listener has no such limit. Clients who are turned away take nothing from the
// listener's rate: a flood from one source does not hold the others up.
//
// Invariant: made by the control plane when the listener is opened or gets other limits, shared by all workers, freed by
// the control plane when they all have acknowledged others, or have ended. What changes in the block is atomic, or locked where a client is turned away.
import Decisions
import Model
import Synchronization
import SystemCalls

/// Why a client was turned away for its source.
package enum SourceRefusal: Equatable, Sendable, CustomStringConvertible {
    case connectionsMax(Int)
    case rate(perSecond: Int)

    package var description: String {
        switch self {
        case .connectionsMax(let limit): "it has \(counted(limit, "connection")) open, its source-connections-max"
        case .rate(let perSecond): "its source opens more than \(counted(perSecond, "connection")) a second, its source-rate"
        }
    }
}

/// Copying copies the reference; `free` is the control plane's alone.
struct Arrivals: @unchecked Sendable {
    private struct Block: ~Copyable {
        let listener: Int
        let limits: ArrivalLimits
        let bucket: TokenBucket?
        let theoreticalArrival = Atomic<Int64>(0)
        /// When the rate will let the next one in that it holds up, or has let the last one.
        let heldUntil = Atomic<Int64>(-2_000_000_000)
        let sourceRates: SourceRates?
        let counts: SourceCounts?
        let pacing = Mutex(ReportPacing<(source: IPAddress, why: SourceRefusal)>())
    }

    private let block: UnsafeMutablePointer<Block>

    /// `counts`: of the process, where the limits need it.
    init(_ limits: ArrivalLimits, listener: Int, counts: SourceCounts?) {
        block = .allocate(capacity: 1)
        block.initialize(to: Block(
            listener: listener, limits: limits, bucket: limits.rate.map(TokenBucket.init),
            sourceRates: limits.sourceRate.map(SourceRates.init), counts: counts))
    }

    /// After this no worker may hold the block: all have acknowledged another gate, or have ended.
    func free() {
        block.pointee.sourceRates?.free()
        block.deinitialize(count: 1)
        block.deallocate()
    }

    // MARK: The listener's rate

    /// Nil: a token is taken, or none is needed. Else when there will be one.
    func takeToken() -> Int64? {
        guard let bucket = block.pointee.bucket else { return nil }
        let now = Clocks.monotonic().nanoseconds
        var before = block.pointee.theoreticalArrival.load(ordering: .relaxed)
        while true {
            switch bucket.judge(at: now, theoreticalArrival: before) {
            case .tooEarly(let until): return until
            case .conforms(let after):
                let (taken, found) = block.pointee.theoreticalArrival.weakCompareExchange(
                    expected: before, desired: after, ordering: .relaxed)
                if taken { return nil }
                before = found
            }
        }
    }

    /// Nobody came, or who came was turned away.
    func giveTokenBack() {
        guard let bucket = block.pointee.bucket else { return }
        block.pointee.theoreticalArrival.subtract(bucket.interval, ordering: .relaxed)
    }

    /// How long accepting pauses for somebody who is held up.
    struct Hold {
        let nanoseconds: Int64
        /// The rate, where this begins a time of holds: the second before had none.
        let begins: Int?
    }

    /// At least 10 ms, so that a high rate does not mean as many wake-ups; less where the burst would not make up for it.
    func hold(until: Int64) -> Hold {
        let now = Clocks.monotonic().nanoseconds
        let until = max(until, now + min(10_000_000, (block.pointee.bucket?.tolerance ?? 0) / 2))
        let before = block.pointee.heldUntil.exchange(until, ordering: .relaxed)
        return Hold(nanoseconds: until - now, begins: now - before > 1_000_000_000 ? block.pointee.limits.rate?.perSecond : nil)
    }

    /// Somebody was held up within the last second.
    var isHolding: Bool { Clocks.monotonic().nanoseconds - block.pointee.heldUntil.load(ordering: .relaxed) <= 1_000_000_000 }

    // MARK: Sources

    enum Admission {
        /// To be given back with the connection's end; -1: sources are not counted.
        case admitted(place: Int32)
        case refused(SourceRefusal)
    }

    func admit(_ client: IPAddress) -> Admission {
        var place: Int32 = -1
        if let counts = block.pointee.counts, let limit = block.pointee.limits.sourceConnectionsMax {
            guard let taken = counts.take(client, listener: block.pointee.listener, below: limit) else {
                return .refused(.connectionsMax(limit))
            }
            place = taken
        }
        if let rates = block.pointee.sourceRates, let limit = block.pointee.limits.sourceRate,
            !rates.take(client, now: Clocks.monotonic().nanoseconds) {
            if place >= 0 { block.pointee.counts?.give(place) }
            return .refused(.rate(perSecond: limit.rate.perSecond))
        }
        return .admitted(place: place)
    }

    // MARK: Told

    /// A client was turned away; what to report of it now, over all workers, if anything.
    func countRefused(_ source: IPAddress, _ refusal: SourceRefusal, now: Int64) -> WorkerReport? {
        let besides = block.pointee.pacing.withLock { $0.next((source, refusal), now: now) }
        return besides.map { .sourceRefused(listener: block.pointee.listener, source: source, refusal, besides: $0) }
    }

    /// What of it is still to be told.
    func settle(now: Int64, atOnce: Bool) -> WorkerReport? {
        guard let (refused, besides) = block.pointee.pacing.withLock({ $0.settle(now: now, atOnce: atOnce) }) else { return nil }
        return .sourceRefused(listener: block.pointee.listener, source: refused.source, refused.why, besides: besides)
    }

    var owes: Bool { block.pointee.pacing.withLock { $0.owes } }
}

extension ConnectionHandle {
    /// Whether the listener's limits have room for one more of this client; closes the connection where not. Clients
    /// of a Unix listener have no address and are not limited.
    func isWithinLimits(_ client: IPAddress?) -> Bool {
        guard let client, let arrivals = worker.gate(of: record.listener).arrivals else { return true }
        switch arrivals.admit(client) {
        case .admitted(let place):
            record.sourcePlace = place
            return true
        case .refused(let refusal):
            let news = arrivals.countRefused(client.unmapped, refusal, now: worker.now())
            if let news { worker.report(news) } else { worker.oweReport() }
            arrivals.giveTokenBack()
            close(.sourceLimit)
            return false
        }
    }

    func giveSourcePlaceBack() {
        guard record.sourcePlace >= 0 else { return }
        // Not through the listener's rules: they may be others by now.
        worker.state.sourceCounts?.give(record.sourcePlace)
        record.sourcePlace = -1
    }
}
