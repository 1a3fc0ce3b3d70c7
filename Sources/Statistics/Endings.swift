// How connections ended, by listener, and why connects failed, by backend: each worker's own counters, read as their sum.
// Invariant: pointers are into the segment, which outlives every user, and none is kept.
import Model
import Synchronization

extension Culprit {
    @usableFromInline var place: Int {
        switch self {
        case .client: 0
        case .backend: 1
        case .lbd: 2
        }
    }
}

extension EndReason {
    @usableFromInline var place: Int {
        switch self {
        case .finished: 0
        case .reset: 1
        case .idleTimeout: 2
        case .halfClosedTimeout: 3
        case .stalledTimeout: 4
        case .lifetime: 5
        case .noBackend: 6
        case .connectFailed: 7
        case .poolFull: 8
        case .queueTimeout: 9
        case .holdFull: 10
        case .holdTimeout: 11
        case .leftEarly: 12
        case .denied: 13
        case .sourceLimit: 14
        case .badHeader: 15
        case .stopping: 16
        case .ordered: 17
        case .removed: 18
        case .outOfResources: 19
        }
    }
}

extension Ending {
    /// 0 ..< 60
    var place: Int { by.place * EndReason.allCases.count + reason.place }
}

extension ConnectFailureReason {
    var place: Int {
        switch self {
        case .refused: 0
        case .timeout: 1
        case .unreachable: 2
        case .reset: 3
        case .outOfResources: 4
        case .other: 5
        }
    }
}

extension SegmentView {
    /// By the worker that counts it, and no other.
    package func countEnding(_ ending: Ending, worker: Int, listener: Int) {
        add(1, to: (endings(worker, listener) + ending.place).pointee)
    }

    package func countConnectFailure(_ reason: ConnectFailureReason, worker: Int, slot: Int) {
        add(1, to: (connectFailures(worker, slot) + reason.place).pointee)
    }

    /// Since the listener was opened; those that there were.
    package func endings(listener: Int) -> [Ending: UInt64] {
        var sums: [Ending: UInt64] = [:]
        for by in Culprit.allCases {
            for reason in EndReason.allCases {
                let ending = Ending(by: by, reason)
                let sum = sum { (endings($0, listener) + ending.place).pointee.load(ordering: .relaxed) }
                if sum > 0 { sums[ending] = sum }
            }
        }
        return sums
    }

    /// Since the backend has the slot; those that there were.
    package func connectFailures(slot: Int) -> [ConnectFailureReason: UInt64] {
        guard tickets(slot: slot).isUsed else { return [:] }
        var sums: [ConnectFailureReason: UInt64] = [:]
        for reason in ConnectFailureReason.allCases {
            let sum = sum { (connectFailures($0, slot) + reason.place).pointee.load(ordering: .relaxed) }
            if sum > 0 { sums[reason] = sum }
        }
        return sums
    }

    /// For whoever has just got the number: no worker writes for it yet, nor for the one before any more.
    package func clearEndings(listener: Int) {
        for worker in 0..<layout.workers {
            for place in 0..<Culprit.allCases.count * EndReason.allCases.count { (endings(worker, listener) + place).pointee.store(0, ordering: .relaxed) }
        }
    }

    package func clearConnectFailures(slot: Int) {
        guard tickets(slot: slot).isUsed else { return }
        for worker in 0..<layout.workers {
            for place in 0..<ConnectFailureReason.allCases.count { (connectFailures(worker, slot) + place).pointee.store(0, ordering: .relaxed) }
        }
    }

    private func sum(_ counter: (Int) -> UInt64) -> UInt64 { (0..<layout.workers).reduce(0) { $0 &+ counter($1) } }

    private func endings(_ worker: Int, _ listener: Int) -> UnsafeMutablePointer<Atomic<UInt64>> { memory(.endings, listener, worker: worker) }

    private func connectFailures(_ worker: Int, _ slot: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
        memory(.connectFailures, slot, worker: worker)
    }
}
