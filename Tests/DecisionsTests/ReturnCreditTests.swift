// Faults: a backend that is held back saves up for a burst, or starves; two balancers that send different clients to it.
import Decisions
import Testing

struct ReturnCreditTests {
    /// Its share of any stretch of choices, give or take one.
    @Test(arguments: [1.0 / 40, 0.1, 0.25, 0.3125])
    func theShareIsEven(_ growth: Double) {
        var credit = ReturnCredit(amount: 0)
        var taken = 0
        for choice in 1...4000 as ClosedRange<UInt64> {
            if credit.suffices(at: choice, growth: growth) {
                credit.take(at: choice, growth: growth)
                taken += 1
            }
            #expect(abs(Double(taken) - Double(choice) * growth) <= 1.001)
        }
    }

    @Test func nobodySavesUp() {
        var credit = ReturnCredit(amount: 0)
        let late: UInt64 = 1 << 62
        var burst = 0
        while credit.suffices(at: late, growth: 0.5) {
            credit.take(at: late, growth: 0.5)
            burst += 1
        }
        #expect(burst == 2)
        // Taken for want of anybody else: nothing is owed.
        credit.take(at: late, growth: 0.5)
        #expect(credit.suffices(at: late + 2, growth: 0.5))
    }

    /// Whoever is among the first stays among them as the share grows, and the shares are what they say.
    @Test func clientsByHash() {
        var generator = SplitMix64(seed: 4)
        let clients = (0..<20_000).map { _ in generator.next() }
        var before: Set<UInt64> = []
        for share in [8, 26, 64, 128, 200, 256] {
            let admitted = Set(clients.filter { ReturnCredit.admits(hash: $0, share: share) })
            #expect(before.isSubset(of: admitted))
            #expect(abs(admitted.count - clients.count * share / 256) < 400, "\(share): \(admitted.count)")
            before = admitted
        }
        #expect(before.count == clients.count)
    }
}
