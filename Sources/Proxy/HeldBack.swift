// Backends of a route that get no more than a share: those that have come back lately, and those whose weights somebody
// has scaled down for a while. See Decisions/ReturnCredit.
//
// Each worker counts its own choices and credits, so that two workers' shares add up. Most routes hold nobody back, and
// then nothing here is asked.
import Decisions
import Model

/// Who is passed over in one look for a backend.
enum Holding {
    /// Those that have had their share.
    case shares
    /// Those alone that are the last resort.
    case lastResorts
    case nobody
}

struct HeldBack: @unchecked Sendable {
    // Invariant: owned by the route and freed with it; a worker's row of `choices` and `credits` is read and written by
    // that worker alone.
    private struct Entry: BitwiseCopyable {
        let slot: Int32
        /// In 1/256 of its fair share; 0: it is a last resort.
        let share: Int32
        /// Of its credit, with each choice.
        let growth: Double
    }

    /// By the target's index: its place among those that are held back; `noPlace` for the others.
    private let places: Row<UInt16>
    private let entries: Row<Entry>
    private let choices: UnsafeMutablePointer<UInt64>
    private let credits: UnsafeMutablePointer<ReturnCredit>
    private let workers: Int
    /// Some backend takes only what no other can.
    let hasLastResorts: Bool

    private static var noPlace: UInt16 { .max }
    /// Of one worker's row: whole cache lines.
    private static var choicesStride: Int { 8 }
    private var creditsStride: Int { (entries.count + 3) / 4 * 4 }

    init(_ targets: [PoolRouting.Target], workers: Int) {
        let (entries, places) = HeldBack.entries(targets)
        hasLastResorts = entries.contains { $0.share == 0 }
        self.workers = workers
        self.places = Row(places)
        self.entries = Row(entries)
        choices = .allocate(capacity: workers * HeldBack.choicesStride)
        choices.initialize(repeating: 0, count: workers * HeldBack.choicesStride)
        let stride = (entries.count + 3) / 4 * 4
        credits = .allocate(capacity: max(1, workers * stride))
        credits.initialize(repeating: ReturnCredit(amount: 0), count: workers * stride)
    }

    /// Of those that take connections at all, where all have come back there is nobody to hold them back for.
    private static func entries(_ targets: [PoolRouting.Target]) -> (entries: [Entry], places: [UInt16]) {
        var entries: [Entry] = []
        var places = [UInt16](repeating: noPlace, count: targets.count)
        let total = targets.reduce(0) { $0 + $1.effectiveWeight }
        guard total > 0 else { return ([], []) }
        let comesBack = targets.contains { $0.percent > 0 && $0.share == nil }
        for (index, target) in targets.enumerated() {
            let share = comesBack ? target.share : nil
            guard share != nil || target.percent < 100 else { continue }
            places[index] = UInt16(entries.count)
            let part = Double(share ?? 256) / 256
            // By its client's hash it gets some of its clients: all of its fair share means the scaled weight.
            let ofWeight = target.percent == 0 ? 0 : max(1, Int(part * 256) * target.percent / 100)
            entries.append(Entry(slot: Int32(target.slot), share: Int32(clamping: ofWeight), growth: part * target.effectiveWeight / total))
        }
        return (entries, entries.isEmpty ? [] : places)
    }

    var isEmpty: Bool { entries.count == 0 }

    // MARK: One worker's choices

    func countChoice(worker: Int) { choices[worker * HeldBack.choicesStride] &+= 1 }

    /// Whether the target has had its share for now. `hash`: the client's, where the method goes by it.
    func isHeldBack(_ index: Int, _ holding: Holding, worker: Int, hash: UInt64?) -> Bool {
        guard let place = place(index) else { return false }
        switch holding {
        case .nobody: return false
        case .lastResorts: return entries[place].share == 0
        case .shares: guard entries[place].share > 0 else { return true }
        }
        if let hash { return !ReturnCredit.admits(hash: hash, share: Int(entries[place].share)) }
        return !credit(worker, place).pointee.suffices(at: choice(worker), growth: entries[place].growth)
    }

    /// A connection goes to the target.
    func take(_ index: Int, worker: Int) {
        guard let place = place(index) else { return }
        credit(worker, place).pointee.take(at: choice(worker), growth: entries[place].growth)
    }

    /// A worker goes over from an older block: the credits of those that are in both go on. Others begin with any
    /// part of one, so that workers do not march in step.
    func carryOn(from old: Route?, worker: Int, using generator: inout some RandomNumberGenerator) {
        for place in 0..<entries.count {
            let index = old?.index(ofSlot: Int(entries[place].slot))
            let before = index.flatMap { old?.heldBack.amount($0, worker: worker) }
            credit(worker, place).pointee = ReturnCredit(amount: before ?? Double.random(in: 0..<1, using: &generator))
        }
    }

    private func amount(_ index: Int, worker: Int) -> Double? {
        guard !isEmpty, let place = place(index) else { return nil }
        return credit(worker, place).pointee.amount(at: choice(worker), growth: entries[place].growth)
    }

    private func place(_ index: Int) -> Int? {
        let place = places[index]
        return place == HeldBack.noPlace ? nil : Int(place)
    }

    private func choice(_ worker: Int) -> UInt64 { choices[worker * HeldBack.choicesStride] }
    private func credit(_ worker: Int, _ place: Int) -> UnsafeMutablePointer<ReturnCredit> { credits + worker * creditsStride + place }

    func free() {
        places.free()
        entries.free()
        choices.deallocate()
        credits.deallocate()
    }
}
