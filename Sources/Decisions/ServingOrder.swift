// Whose turn it is, of those who wait for something that serves one at a time: whoever has had least of it lately, so that
// one who asks little does not wait behind many who ask without end. Pure.
import Model

/// What one has had lately, as one number: when it will have had no more than its share. One that has had nothing, or has
/// paused for long enough, has a time that has passed, and goes before all who have had more.
package struct RecentUse: Equatable, Sendable {
    private var settledAt = MonotonicTime(nanoseconds: .min)

    /// One in so many: who takes less never stands behind anybody.
    package static let share = 200
    /// What lies further back is forgotten: however much it was, so long after it is one among equals again.
    package static let memory = Duration.seconds(1)

    package init() {}

    package mutating func add(_ spent: Duration, now: MonotonicTime) {
        settledAt = min(max(settledAt, now).advanced(by: spent * RecentUse.share), now.advanced(by: RecentUse.memory))
    }

    /// Where it stands among those who wait since `now`: the earliest first, and so the first of those who are settled.
    package func place(now: MonotonicTime) -> MonotonicTime { max(settledAt, now) }
}

/// Those who wait. Now and then whoever has waited longest is next, so that long work ends too while others ask without
/// end.
package struct ServingOrder<Guest: Equatable> {
    private var waiting: [(guest: Guest, place: MonotonicTime)] = []
    private var served = 0
    private static var turnsByPlace: Int { 3 }

    package init() {}

    package var isEmpty: Bool { waiting.isEmpty }

    package mutating func join(_ guest: Guest, place: MonotonicTime) { waiting.append((guest, place)) }

    /// It waits no longer.
    package mutating func leave(_ guest: Guest) { waiting.removeAll { $0.guest == guest } }

    /// Among equals the first who came.
    package mutating func next() -> Guest? {
        guard let earliest = waiting.indices.min(by: { waiting[$0].place < waiting[$1].place }) else { return nil }
        served += 1
        return waiting.remove(at: served.isMultiple(of: ServingOrder.turnsByPlace + 1) ? 0 : earliest).guest
    }
}
