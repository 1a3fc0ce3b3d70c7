// The table of wish and finding, and who is eligible. Faults: a good probe that puts a draining node back (kamal-proxy
// had one enum for both), a draining node as a fallback, a pool that stands still until its first probes are done.
import Decisions
import Model
import Testing

struct AvailabilityTests {
    /// Every cell: wish x finding x isEmpty.
    @Test func table() {
        let cells: [(Wish, ProbeFinding, whileHeld: Availability, whileEmpty: Availability)] = [
            (.ready, .up, .available, .available),
            (.ready, .unknown, .unknown, .unknown),
            (.ready, .down, .down, .down),
            (.drain, .up, .draining, .drained),
            (.drain, .unknown, .draining, .drained),
            (.drain, .down, .draining, .drained),
            (.maintenance, .up, .maintenance, .maintenance),
            (.maintenance, .unknown, .maintenance, .maintenance),
            (.maintenance, .down, .maintenance, .maintenance),
        ]
        #expect(cells.count == Wish.allCases.count * ProbeFinding.allCases.count)
        for (wish, finding, whileHeld, whileEmpty) in cells {
            #expect(Availability(wish: wish, finding: finding, isEmpty: false) == whileHeld)
            #expect(Availability(wish: wish, finding: finding, isEmpty: true) == whileEmpty)
        }
    }

    private func eligible(_ pool: (Availability, Bool)...) -> [Int] { Availability.eligible(in: pool) }

    @Test func allThatAreAvailableOrWarming() {
        #expect(eligible((.available, false), (.down, false), (.warming, false), (.unknown, false)) == [0, 2])
    }

    @Test func backupsOnlyWhenNoOtherIsAvailable() {
        #expect(eligible((.available, false), (.available, true)) == [0])
        #expect(eligible((.down, false), (.available, true), (.draining, false)) == [1])
    }

    @Test func unknownOnlyWhenNoneIsAvailable() {
        #expect(eligible((.unknown, false), (.available, true)) == [1])
        #expect(eligible((.unknown, false), (.down, false), (.unknown, true)) == [0])
        #expect(eligible((.down, false), (.unknown, true)) == [1])
    }

    /// Over all pools of three: never a fallback to one that is on its way out or out, and nobody idle while
    /// somebody could serve.
    @Test func drainingDownAndMaintainedAreNeverChosen() {
        let states = Availability.allCases.flatMap { [($0, false), ($0, true)] }
        for first in states {
            for second in states {
                for third in states {
                    let pool = [first, second, third]
                    let chosen = Availability.eligible(in: pool)
                    let couldServe = pool.contains { [.available, .warming, .unknown].contains($0.0) }
                    #expect(chosen.isEmpty == !couldServe)
                    #expect(chosen.allSatisfy { [.available, .warming, .unknown].contains(pool[$0].0) })
                }
            }
        }
    }

    @Test func emptyPool() {
        #expect(Availability.eligible(in: []) == [])
    }
}
