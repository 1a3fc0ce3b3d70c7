// Counters under names while their numbers change hands. Faults: a total that goes down, so that a monitoring system takes
// it for a restart; one that counts what somebody else's number had counted before.
import Testing

@testable import Daemon

/// Counters that count on, of numbers that names have in turn.
private struct Book {
    var standing: [Int: UInt64] = [:]
    var ledger = CounterLedger<String>(counters: 2, idleMax: 2)

    private func read(_ number: Int) -> [UInt64] { [standing[number] ?? 0, 7] }
    func total(_ name: String) -> UInt64 { ledger.total(of: name, read).first ?? 0 }
    mutating func open(_ number: Int, _ name: String) { ledger.open(number, for: name, at: read(number)) }
    mutating func close(_ number: Int, _ name: String) { ledger.close(number, for: name, at: read(number)) }
}

struct CounterLedgerTests {
    @Test("a number that counted for another begins at 0 for the next")
    func used() {
        var book = Book()
        book.standing[1] = 100
        book.open(1, "a")
        #expect(book.total("a") == 0)
        book.standing[1] = 105
        #expect(book.total("a") == 5)
        book.close(1, "a")
        book.open(1, "b")
        book.standing[1] = 106
        #expect([book.total("a"), book.total("b")] == [5, 1])
    }

    @Test("who moves to another number, and comes back later, counts on: both numbers while the first one lives")
    func moved() {
        var book = Book()
        book.open(1, "a")
        book.standing[1] = 10
        book.standing[2] = 1000
        book.open(2, "a")
        book.standing = [1: 12, 2: 1003]
        #expect(book.total("a") == 15)
        book.close(1, "a")
        book.standing[1] = 99
        #expect(book.total("a") == 15)
        book.close(2, "a")
        book.standing[2] = 2000
        #expect(book.total("a") == 15)
        book.open(2, "a")
        book.standing[2] = 2001
        #expect(book.total("a") == 16)
        book.ledger.add([4, 0], to: "a")
        #expect(book.total("a") == 20)
    }

    /// Fault: a scrape that was under way when a pool without any traffic went ended lbd.
    @Test("of whoever counted nothing, has gone or never was, there are zeros")
    func nothing() {
        var ledger = CounterLedger<String>(counters: 2)
        ledger.open(1, for: "a", at: [0, 0])
        ledger.close(1, for: "a", at: [0, 0])
        #expect(ledger.total(of: "a") { _ in [9, 9] } == [0, 0])
        #expect(ledger.total(of: "b") { _ in [9, 9] } == [0, 0])
    }

    @Test("names that are gone are kept up to a bound, those in use beyond it")
    func bounded() {
        var book = Book()
        for name in ["a", "b", "c", "d"] {
            book.open(1, name)
            book.standing[1, default: 0] += 1
            if name != "b" { book.close(1, name) }
        }
        #expect(["a", "b", "c", "d"].map { book.total($0) } == [0, 3, 1, 1])
    }

    @Test("a counter that goes round is no step back")
    func round() {
        var book = Book()
        book.standing[1] = .max - 1
        book.open(1, "a")
        book.standing[1] = 3
        #expect(book.total("a") == 5)
        book.close(1, "a")
        #expect(book.total("a") == 5)
    }

    /// As where backends are called by their containers: each name once, some of them again.
    @Test("10,000 names that come and go: no total goes down, whoever comes back, and memory is bounded by those that went")
    func manyNames() {
        var ledger = CounterLedger<String>(counters: 2)
        var standing: UInt64 = 0
        func read(_: Int) -> [UInt64] { [standing, 7] }
        for round in 1...3 {
            for name in 0..<10_000 {
                ledger.open(5, for: "b\(name)", at: read(5))
                standing += UInt64(name % 10 + 1)
                #expect(ledger.total(of: "b\(name)", read).first == UInt64(round * (name % 10 + 1)))
                ledger.close(5, for: "b\(name)", at: read(5))
            }
        }
        var few = CounterLedger<String>(counters: 2, idleMax: 10)
        for turn in 0..<10_000 {
            few.open(1, for: "b\(turn % 5)", at: [UInt64(turn), 0])
            few.close(1, for: "b\(turn % 5)", at: [UInt64(turn + 1), 0])
            #expect(few.entriesKept < 100)
        }
        #expect((0..<5).allSatisfy { few.total(of: "b\($0)") { _ in [] } == [2000, 0] })
        for turn in 0..<10_000 {
            few.open(1, for: "c\(turn)", at: [0, 0])
            few.close(1, for: "c\(turn)", at: [1, 0])
            #expect(few.entriesKept < 100)
        }
    }
}
