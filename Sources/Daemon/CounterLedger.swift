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
    }

    private var accounts: [Name: Account] = [:]
    /// Names without a number, the oldest first: they may come back.
    private var idle: [Name] = []
    /// So many are kept; who comes back after that begins at 0, as after a restart.
    private let idleMax: Int

    init(idleMax: Int = 4096) { self.idleMax = idleMax }

    /// From now on the number counts for the name.
    mutating func open(_ number: Int, for name: Name, at counts: [UInt64]) {
        if accounts[name]?.numbers.isEmpty == true { idle.removeAll { $0 == name } }
        accounts[name, default: Account(numbers: [])].numbers.append(number)
        if counts.contains(where: { $0 != 0 }) { change(name) { $0.subtract(counts) } }
    }

    /// Nothing more is to come of the number.
    mutating func close(_ number: Int, for name: Name, at counts: [UInt64]) {
        change(name) { $0.add(counts) }
        accounts[name]?.numbers.removeAll { $0 == number }
        guard accounts[name]?.numbers.isEmpty == true else { return }
        idle.append(name)
        if idle.count > idleMax { accounts[idle.removeFirst()] = nil }
    }

    /// Counted besides its numbers.
    mutating func add(_ counts: [UInt64], to name: Name) { change(name) { $0.add(counts) } }

    private mutating func change(_ name: Name, _ change: (inout [UInt64]) -> Void) {
        guard var account = accounts[name] else { preconditionFailure("a number is opened before it is closed") }
        change(&account.rest)
        accounts[name] = account
    }

    /// Since the name first had a number. `read`: what a number stands at now.
    func total(of name: Name, _ read: (Int) -> [UInt64]) -> [UInt64] {
        guard let account = accounts[name] else { return [] }
        var total = account.rest
        for number in account.numbers {
            if total.isEmpty { total = read(number) } else { total.add(read(number)) }
        }
        return total
    }
}

extension [UInt64] {
    /// Each of the others to the one in its place; empty: all are 0. They go round.
    mutating func add(_ other: [UInt64]) { combine(other, &+) }
    fileprivate mutating func subtract(_ other: [UInt64]) { combine(other, &-) }

    private mutating func combine(_ other: [UInt64], _ operation: (UInt64, UInt64) -> UInt64) {
        if isEmpty { self = [UInt64](repeating: 0, count: other.count) }
        for index in other.indices { self[index] = operation(self[index], other[index]) }
    }
}
