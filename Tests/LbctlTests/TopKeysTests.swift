// Bytes of a terminal as keys. Faults: an arrow that is read as Esc and goes back a page; a half of a sequence that is typed as letters.
import Testing

@testable import lbctl

@Suite struct TopKeysTests {
    @Test(arguments: [
        ([UInt8]("q".utf8), [Key.character("q")]), ([0x1B, 0x5B, 0x41], [.up]), ([0x1B, 0x4F, 0x42], [.down]),
        ([0x1B, 0x5B, 0x35, 0x7E], [.pageUp]), ([0x1B, 0x5B, 0x36, 0x7E], [.pageDown]), ([0x1B, 0x5B, 0x48, 0x1B, 0x5B, 0x46], [.first, .last]),
        ([0x1B, 0x5B, 0x31, 0x3B, 0x35, 0x41], [.up]), ([0x0D], [.enter]), ([0x09, 0x1B, 0x5B, 0x5A], [.tab, .backTab]), ([0x03], [.interrupt]),
        // A letter outside of ASCII, and a function key: nothing.
        ([0xC3, 0xB6, 0x1B, 0x5B, 0x31, 0x35, 0x7E], []), (Array("jjk".utf8), [.character("j"), .character("j"), .character("k")]),
        ([0x1B, 0x71], [.escape, .character("q")]),
    ])
    func keys(bytes: [UInt8], are expected: [Key]) {
        var reader = KeyReader()
        #expect(reader.take(bytes) == expected)
        #expect(!reader.awaitsMore)
    }

    @Test func aSequenceMayComeInPieces() {
        var reader = KeyReader()
        var keys = reader.take([0x1B])
        let awaits = reader.awaitsMore
        keys += reader.take([0x5B])
        keys += reader.take([0x41])
        #expect(awaits && keys == [.up])
    }

    @Test func anEscapeAloneIsAKeyWhenNothingFollows() {
        var reader = KeyReader()
        let first = reader.take([0x1B])
        let then = reader.settle()
        let after = reader.settle()
        #expect(first.isEmpty && then == [.escape] && after.isEmpty && !reader.awaitsMore)
    }

    @Test func whatNeverEndsIsThrownAway() {
        var reader = KeyReader()
        let keys = reader.take([0x1B, 0x5B] + [UInt8](repeating: 0x31, count: 40)) + reader.take(Array("q".utf8))
        #expect(keys == [.character("q")])
    }
}
