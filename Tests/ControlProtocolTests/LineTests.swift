// Words of a line and lines of a reply. Faults: a word that reads back as two, a line that brings the balancer down or
// holds it up, data that passes for the reply's end.
import ControlProtocol
import TestSupport
import Testing

private func words(_ line: String) throws(LineError) -> [String] { try RequestLine.words(Array(line.utf8)) }

private func refusal(_ line: [UInt8]) -> String? {
    do throws(LineError) { _ = try RequestLine.words(line) } catch { return error.description }
    return nil
}

struct RequestLineTests {
    @Test(arguments: [
        ("", []), ("  \t ", []), ("status", ["status"]), ("  drain\tweb/a  ", ["drain", "web/a"]),
        ("a 'b c' \"d e\"", ["a", "b c", "d e"]), ("reason='new disk'", ["reason=new disk"]),
        ("\"a\\\"b\\\\c\"", ["a\"b\\c"]), ("'a\\b'", ["a\\b"]), ("a\\ b", ["a b"]), ("''", [""]), ("a''b", ["ab"]),
        ("\"\" x", ["", "x"]), ("ü 'ß'", ["ü", "ß"]),
    ] as [(String, [String])])
    func splits(_ line: String, _ expected: [String]) throws {
        #expect(try words(line) == expected)
    }

    @Test func refusalsNameTheByte() {
        #expect(refusal(Array("drain 'web".utf8)) == "the quote ' at byte 7 is never closed")
        #expect(refusal(Array("drain \"web\\\"".utf8)) == "the quote \" at byte 7 is never closed")
        #expect(refusal(Array("drain \"web\\".utf8)) == "the quote \" at byte 7 is never closed")
        #expect(refusal(Array("drain \\".utf8)) == "the line ends with a lone backslash")
        #expect(refusal(Array("sta\0tus".utf8)) == "byte 4 is a control character (0): a request is plain text")
        #expect(refusal([0x61, 0xFF, 0x62]) == "the line is not UTF-8")
        #expect(refusal(Array("a \u{7F}".utf8)) == "byte 3 is a control character (127): a request is plain text")
    }

    /// Nowhere: bare, in either quote, or behind a backslash, which let them through once.
    @Test(arguments: [UInt8(0), 0x07, 0x0A, 0x0D, 0x1B, 0x7F])
    func noControlCharacterGetsThrough(_ control: UInt8) {
        for (before, after) in [("", ""), ("'", "'"), ("\"", "\""), ("\\", ""), ("\"\\", "\"")] {
            #expect(refusal(Array("x \(before)".utf8) + [control] + Array("\(after) y".utf8)) != nil)
        }
    }

    @Test func boundIsExact() throws {
        let longest = [UInt8](repeating: UInt8(ascii: "a"), count: RequestLine.bytesMax)
        #expect(try RequestLine.words(longest).map(\.utf8.count) == [65_536])
        #expect(refusal(longest + [UInt8(ascii: "a")]) == "a line has at most 65536 bytes")
        #expect(refusal([UInt8](repeating: 0, count: 1 << 20)) == "a line has at most 65536 bytes")
    }

    /// Whoever may connect may send such lines: each word byte copied the whole word once, which held up the
    /// control plane for a good part of a second.
    @Test func longestLineCostsLittle() throws {
        let longest = [UInt8](repeating: UInt8(ascii: "a"), count: RequestLine.bytesMax)
        let taken = try processorTime { for _ in 0..<10 { _ = try RequestLine.words(longest) } }
        #expect(taken < .seconds(2), "ten lines took \(taken)")
    }

    /// Property: what `quoted` writes, `words` reads, whatever the words hold.
    @Test func quotingRoundTrip() throws {
        var random = SeededGenerator(seed: SeededGenerator.seed)
        let alphabet = Array("ab=/.,-_ '\"\\$`;&|*?üß漢🙂\u{301}")
        for round in 0..<2000 {
            let original = (0..<Int.random(in: 0...5, using: &random)).map { _ in
                String((0..<Int.random(in: 0...12, using: &random)).map { _ in alphabet.randomElement(using: &random)! })
            }
            let line = original.map(RequestLine.quoted).joined(separator: " ")
            let read = try words(line)
            #expect(read.map { Array($0.utf8) } == original.map { Array($0.utf8) }, "SEED=\(SeededGenerator.seed), round \(round): \(line)")
        }
    }

    /// Property: any bytes end in words or in a refusal.
    @Test func anyBytesEnd() {
        var random = SeededGenerator(seed: SeededGenerator.seed)
        let syntax = Array("'\"\\ =/a\t".utf8) + [0x00, 0x0D, 0x80, 0xC3, 0xBC, 0xFF]
        for _ in 0..<5000 {
            let line = (0..<Int.random(in: 0...30, using: &random)).map { _ in syntax.randomElement(using: &random)! }
            if let refused = refusal(line) { #expect(!refused.isEmpty && !refused.contains { $0.isNewline }) }
        }
    }
}

struct ReplyLineTests {
    @Test(arguments: [
        .ok, .data(""), .data("web/a drained"), .data("+ok"), .data("-1 no"), .data(" indented"), .data("  "),
        .data("{\"a\":1}"), .failure(Failure(.failed, "it broke")), .failure(Failure(.badUsage, "")),
        .failure(Failure(.refused, " starts with a blank")), .failure(Failure(.deadlinePassed, "3 - 4")),
    ] as [ReplyLine])
    func roundTrip(_ line: ReplyLine) {
        #expect(ReplyLine(line.text) == line)
    }

    @Test func statusLinesAsScriptsSeeThem() {
        #expect(ReplyLine.ok.text == "+ok")
        #expect(ReplyLine.failure(Failure(.deadlinePassed, "late")).text == "-3 late")
        #expect(ReplyLine.data("+ok").text == " +ok")
    }

    /// A line that this version does not know must not pass for data.
    @Test(arguments: ["+", "+ok ", "+okay", "-", "-x", "-2 what", "-99999999999 x", "- 1 x"])
    func refusesWhatNoVersionSends(_ line: String) {
        // `- 1 x` is lenient reading of `-1 x`: it says the same.
        if line == "- 1 x" { return #expect(ReplyLine(line) == .failure(Failure(.failed, "x"))) }
        #expect(ReplyLine(line) == nil)
    }

    @Test func randomDataStaysData() {
        var random = SeededGenerator(seed: SeededGenerator.seed)
        let alphabet = Array("+- ok1\u{301}ü")
        for _ in 0..<2000 {
            let text = String((0..<Int.random(in: 0...6, using: &random)).map { _ in alphabet.randomElement(using: &random)! })
            guard case .data(let read)? = ReplyLine(ReplyLine.data(text).text) else {
                Issue.record("SEED=\(SeededGenerator.seed): '\(text)' is no data any more")
                continue
            }
            #expect(Array(read.utf8) == Array(text.utf8), "SEED=\(SeededGenerator.seed)")
        }
    }
}
