// Whose turn it is. Faults: a short question that waits behind one part of each of fifty who ask without end; long work
// that never ends while others ask; one that has asked much and is made to wait for ever.
import Decisions
import Model
import Testing

struct ServingOrderTests {
    private func time(_ milliseconds: Int64) -> MonotonicTime { MonotonicTime(nanoseconds: milliseconds * 1_000_000) }

    @Test func whoHasHadLeastGoesFirst() {
        var order = ServingOrder<String>(), much = RecentUse(), little = RecentUse()
        much.add(.milliseconds(4), now: time(0))
        little.add(.microseconds(500), now: time(0))
        order.join("much", place: much.place(now: time(1)))
        order.join("little", place: little.place(now: time(1)))
        order.join("new", place: RecentUse().place(now: time(2)))
        #expect([order.next(), order.next(), order.next(), order.next()] == ["new", "little", "much", nil])
    }

    @Test func amongEqualsTheFirst() {
        var order = ServingOrder<Int>()
        for guest in 0..<3 { order.join(guest, place: time(7)) }
        #expect([order.next(), order.next(), order.next()] == [0, 1, 2] && order.isEmpty)
    }

    @Test func whatWasHadIsPaidByWaiting() {
        var use = RecentUse()
        use.add(.milliseconds(1), now: time(1000))
        #expect(use.place(now: time(1000)) == time(1200))
        #expect(use.place(now: time(1300)) == time(1300))
        // However much: forgotten after a second.
        use.add(.seconds(60), now: time(2000))
        #expect(use.place(now: time(2000)) == time(3000) && use.place(now: time(3001)) == time(3001))
    }

    @Test func whoLeavesIsNotServed() {
        var order = ServingOrder<Int>()
        for guest in 0..<3 { order.join(guest, place: time(0)) }
        order.leave(0)
        order.leave(2)
        #expect([order.next(), order.next()] == [1, nil])
    }

    /// Each turn takes a millisecond; fifty ask again as soon as they are answered, one asks each 20 ms. One after the
    /// other it would wait for 50.
    @Test func aQuietOneWaitsForFewTurnsOfMany() {
        var order = ServingOrder<Int>(), uses = [RecentUse](repeating: RecentUse(), count: 51)
        var waits: [Int64] = [], askedAt: Int64?
        for guest in 0..<50 { order.join(guest, place: uses[guest].place(now: time(0))) }
        for now in Int64(0)..<10_000 {
            if now % 20 == 0, askedAt == nil {
                askedAt = now
                order.join(50, place: uses[50].place(now: time(now)))
            }
            guard let guest = order.next() else { break }
            uses[guest].add(guest == 50 ? .microseconds(50) : .milliseconds(1), now: time(now + 1))
            if guest < 50 {
                order.join(guest, place: uses[guest].place(now: time(now + 1)))
            } else if let asked = askedAt {
                waits.append(now - asked)
                askedAt = nil
            }
        }
        #expect(waits.count > 400)
        // At the very beginning all are equal.
        #expect(waits.dropFirst(5).max() ?? 99 <= 2, "\(waits.prefix(20))")
    }

    /// New ones come without end, each with its first question.
    @Test func longWorkEndsWhileNewOnesComeWithoutEnd() {
        var order = ServingOrder<Int>(), use = RecentUse(), parts = 0
        order.join(0, place: use.place(now: time(0)))
        for now in Int64(0)..<1000 {
            for guest in 0..<2 { order.join(1 + guest, place: time(now)) }
            guard order.next() == 0 else { continue }
            parts += 1
            use.add(.milliseconds(1), now: time(now))
            order.join(0, place: use.place(now: time(now)))
        }
        // Those who came before it and wait still are served first.
        #expect(parts >= 3, "\(parts) parts of 1000")
    }
}
