// Lines of a screen: widths, cuts, breaks. Fault: a line that is counted shorter than it is shown.
import Testing

@testable import lbctl

@Suite struct ScreenLineTests {
    @Test func aLineIsCutThroughItsPieces() {
        var line = ScreenLine("abc", .bold)
        line.add("def")
        let cuts = [10, 6, 5, 3, 2, 0].map { line.cut(to: $0) }
        #expect(cuts.map(\.text) == ["abcdef", "abcdef", "abcde", "abc", "ab", ""])
        #expect(cuts[2].pieces == [ScreenLine.Piece(text: "abc", style: .bold), ScreenLine.Piece(text: "de", style: .plain)] && cuts[2].width == 5)
        #expect(line.filled(to: 8, .selected).pieces == [ScreenLine.Piece(text: "abcdef  ", style: .selected)])
    }

    @Test func whatIsNoPrintableAsciiIsEscaped() {
        let line = ScreenLine("a界\u{1B}[2Jb")
        #expect(line.text == "a\\u{754c}\\u{1b}[2Jb" && line.width == line.text.utf8.count)
    }

    @Test func namesKeepTheirEnds() {
        #expect(["web-1", "frontend-production-17", "abcdef"].map { $0.nameCut(to: 10) } == ["web-1", "..ction-17", "abcdef"])
        #expect("abcdef".nameCut(to: 3) == "def")
    }

    @Test func textIsBrokenBetweenWords() {
        #expect("one two three four".wrapped(to: 10) == ["one two", "three four"])
        #expect("".wrapped(to: 10) == [] && "abcdefghijklmno pq".wrapped(to: 10) == ["abcdefghij", "klmno pq"])
    }

    @Test func aFrameIsOneRunOfBytesFromTheTop() {
        let bytes = Screen.frame([ScreenLine("ab"), ScreenLine("c", .good)], columns: 10, isColoured: true)
        #expect(String(decoding: bytes, as: UTF8.self) == "\u{1B}[Hab\u{1B}[K\r\n\u{1B}[32mc\u{1B}[0m\u{1B}[K")
    }

    /// A terminal's cursor does not go beyond the last column: what it erases from there on is the last character.
    @Test func aFullLineIsNotErasedBehind() {
        let bytes = Screen.frame([ScreenLine("abc"), ScreenLine("de")], columns: 3, isColoured: true)
        #expect(String(decoding: bytes, as: UTF8.self) == "\u{1B}[Habc\r\nde\u{1B}[K")
    }
}
