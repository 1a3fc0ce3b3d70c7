// Counters of numbers (slots, pools, listeners) told under names: a number becomes another's, a name comes back or moves
// to another number, and what is told of a name never goes down.
//
// The segment's counters are never reset. So of each name it is enough to know its numbers, and one sum that goes round:
// what its former numbers counted for it, less what its present ones stood at when they became its own.

struct CounterLedger<Name: Hashable> {
    private struct Account {
        var numbers: [Int]
        /// By counter; empty: all are 0.
        var rest: [UInt64] = []
        /// Its place in `idle`, by which the others there are known to be stale; nil: it has a number.
        var idleSince: UInt64?
    }

    private var accounts: [Name: Account] = [:]
    /// Names without a number, the oldest first: they may come back. Stale entries are of those that have.
    private var idle: ArraySlice<(name: Name, since: UInt64)> = []
    private var idleCount = 0
    private var turn: UInt64 = 0
    /// So many are kept, some 300 bytes each of a backend; who comes back after that begins at 0, as after a restart.
    private let idleMax: Int
    /// So many of each.
    private let counters: Int

    init(counters: Int, idleMax: Int = 65_536) {
        self.counters = counters
        self.idleMax = idleMax
    }

    /// From now on the number counts for the name.
    mutating func open(_ number: Int, for name: Name, at counts: [UInt64]) {
        if accounts[name]?.idleSince != nil {
            accounts[name]?.idleSince = nil
            idleCount -= 1
        }
        accounts[name, default: Account(numbers: [])].numbers.append(number)
        if counts.contains(where: { $0 != 0 }) { change(name) { $0.subtract(counts) } }
    }

    /// Nothing more is to come of the number.
    mutating func close(_ number: Int, for name: Name, at counts: [UInt64]) {
        change(name) { $0.add(counts) }
        accounts[name]?.numbers.removeAll { $0 == number }
        guard accounts[name]?.numbers.isEmpty == true else { return }
        turn += 1
        accounts[name]?.idleSince = turn
        idle.append((name, turn))
        idleCount += 1
        forgetOldest()
    }

    /// Each closing pays for one entry or two, whatever there is.
    private mutating func forgetOldest() {
        while idleCount > idleMax, let oldest = idle.popFirst() {
            guard accounts[oldest.name]?.idleSince == oldest.since else { continue }
            accounts[oldest.name] = nil
            idleCount -= 1
        }
        // Those that come and go would fill it with stale entries. A copy also lets go of what was popped.
        guard idle.count > 2 * idleCount + 64 || idle.startIndex > idle.count + 64 else { return }
        idle = idle.filter { [accounts] in accounts[$0.name]?.idleSince == $0.since }[...]
    }

    /// Counted besides its numbers.
    mutating func add(_ counts: [UInt64], to name: Name) { change(name) { $0.add(counts) } }

    private mutating func change(_ name: Name, _ change: (inout [UInt64]) -> Void) {
        guard var account = accounts[name] else { preconditionFailure("a number is opened before it is closed") }
        change(&account.rest)
        accounts[name] = account
    }

    /// Names and entries: what it takes of memory.
    var entriesKept: Int { max(accounts.count, idle.endIndex) }

    /// Since the name first had a number. `read`: what a number stands at now.
    func total(of name: Name, _ read: (Int) -> [UInt64]) -> [UInt64] {
        // Also of one that has gone while somebody reads on: nothing counted is as good as zeros, but there are as many of them.
        var total = [UInt64](repeating: 0, count: counters)
        guard let account = accounts[name] else { return total }
        total.add(account.rest)
        for number in account.numbers { total.add(read(number)) }
        return total
    }
}

extension [UInt64] {
    /// Each of the others to the one in its place; empty: all are 0. They go round.
    mutating func add(_ other: [UInt64]) {
        if isEmpty, other.allSatisfy({ $0 == 0 }) { return }
        combine(other, &+)
    }
    fileprivate mutating func subtract(_ other: [UInt64]) { combine(other, &-) }

    private mutating func combine(_ other: [UInt64], _ operation: (UInt64, UInt64) -> UInt64) {
        if isEmpty { self = [UInt64](repeating: 0, count: other.count) }
        for index in other.indices { self[index] = operation(self[index], other[index]) }
    }
}
