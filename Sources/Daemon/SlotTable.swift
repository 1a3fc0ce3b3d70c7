// The slots: the one owner of the numbers by which workers know backends, and of when one can be another backend's.
//
// A slot's counters are never reset; what they stood at when it was given out is remembered and taken off.
import EventLoop
import Model
import Proxy
import Statistics

@ControlPlane final class SlotTable {
    /// On its way back (see Proxy/Retire).
    private struct Leaving {
        enum Stage {
            /// Until the generation is followed and its tickets are back.
            case held(since: UInt64)
            /// Until the generation is settled.
            case told(in: UInt64)
        }
        let slot: Int
        let pool: Int
        var stage: Stage
    }

    private let plane: DataPlane
    private var numbers: Numbers
    private var leaving: [Leaving] = []
    private var baselines: [Int: BackendTotals] = [:]
    /// Called when nothing more can be heard of a slot.
    var freed: @ControlPlane (Int) -> Void = { _ in }

    init(plane: DataPlane) {
        self.plane = plane
        numbers = Numbers(from: AdminPort.slot + 1, max: plane.statistics.layout.slots)
    }

    var available: Int { numbers.available }

    /// Those that will be taken next.
    func next(_ count: Int) -> [Int] { numbers.next(count) }

    /// What its counters stood at when it was given out.
    func before(_ slot: Int) -> BackendTotals? { baselines[slot] }

    /// There is one: `available` was asked before.
    func take() -> Int {
        guard let slot = numbers.take() else { preconditionFailure("the room for slots was checked") }
        plane.statistics.clearConnectFailures(slot: slot)
        baselines[slot] = plane.statistics.totals(slot: slot)
        return slot
    }

    /// Routing from `outSince` on does not name it. Connections may hold it still. `settle` comes next.
    func release(_ slot: Int, pool: Int, outSince: UInt64) {
        plane.statistics.tickets(slot: slot).watch(true)
        leaving.append(Leaving(slot: slot, pool: pool, stage: .held(since: outSince)))
    }

    /// Some slot that was a backend of the pool still has a ticket out.
    func holds(pool: Int) -> Bool {
        leaving.contains { entry in
            switch entry.stage {
            case .held: entry.pool == pool
            case .told: false
            }
        }
    }

    /// After any news of the workers.
    func settle() {
        guard !leaving.isEmpty else { return }
        var fence: UInt64?
        for index in leaving.indices {
            let (slot, pool) = (leaving[index].slot, leaving[index].pool)
            guard case .held(let outSince) = leaving[index].stage, plane.isFollowed(outSince), plane.statistics.tickets(slot: slot).held == 0
            else { continue }
            plane.statistics.tickets(slot: slot).watch(false)
            plane.forget(slot: slot, pool: pool)
            let generation = fence ?? plane.fence()
            fence = generation
            leaving[index].stage = .told(in: generation)
        }
        leaving.removeAll { entry in
            guard case .told(let generation) = entry.stage, generation <= plane.settledGeneration else { return false }
            baselines[entry.slot] = nil
            freed(entry.slot)
            numbers.give(entry.slot)
            return true
        }
    }

    /// Since it was given out.
    func totals(_ slot: Int) -> BackendTotals { plane.statistics.totals(slot: slot) - baselines[slot] }
}
