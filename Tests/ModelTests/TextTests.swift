// Escaping and suggestions. Fault: a peer's bytes that forge a second log record or drive a terminal (CVE-2024-45808).
import Model
import Testing

struct TextTests {
    @Test func everyControlCharacterIsEscaped() {
        for value in Array(UInt32(0)...0x1F) + [0x7F] + Array(UInt32(0x80)...0x9F) + [0x2028, 0x2029, 0x202E, 0xFEFF] {
            let escaped = "a\(UnicodeScalar(value)!)b".escapedForOneLine
            #expect(escaped.utf8.allSatisfy { (0x20...0x7E).contains($0) }, "U+\(String(value, radix: 16)) survived")
            #expect(escaped.hasPrefix("a\\") && escaped.hasSuffix("b"))
        }
    }

    @Test func crLfIsTwoEscapesThoughItIsOneCharacter() {
        #expect("\r\n".escapedForOneLine == "\\r\\n")
    }

    /// Else `\n` typed by a peer and a real newline would look the same.
    @Test func backslashIsEscapedItself() {
        #expect("\\n".escapedForOneLine == "\\\\n")
        #expect("plain 'text'".escapedForOneLine == "plain 'text'")
    }

    @Test func isCut() {
        let escaped = String(repeating: "\u{1B}", count: 10_000).escapedForOneLine
        #expect(escaped.utf8.count < 140 && escaped.hasSuffix("..."))
    }

    @Test(arguments: [
        ("", "", 0), ("drain", "drain", 0), ("drian", "drain", 1), ("drai", "drain", 1), ("drainn", "drain", 1),
        ("brain", "drain", 1), ("undrain", "drain", 2), ("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3),
    ])
    func editDistance(_ left: String, _ right: String, _ distance: Int) {
        #expect(left.editDistance(to: right) == distance)
        #expect(right.editDistance(to: left) == distance)
    }

    /// A line of 64 KiB as a verb must not cost a table of 64 KiB times itself.
    @Test func longTextsAreFarApart() {
        let long = String(repeating: "a", count: 60_000)
        #expect(long.editDistance(to: long + "b") > 60)
        #expect(long.nearest(among: ["drain"]) == nil)
    }

    @Test func nearestIsTheNearestOrNone() {
        let verbs = ["status", "drain", "undrain", "events"]
        #expect("drian".nearest(among: verbs) == "drain")
        #expect("undrian".nearest(among: verbs) == "undrain")
        #expect("stats".nearest(among: verbs) == "status")
        #expect("restart".nearest(among: verbs) == nil)
        #expect("drain".nearest(among: []) == nil)
    }
}
