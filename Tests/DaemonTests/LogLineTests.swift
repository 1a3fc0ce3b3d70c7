// How a line is written. Faults: a peer's bytes that forge a second record, or turn the terminal's text round (CVE-2024-45808);
// a record that no JSON parser reads; a line too long to go out in one piece.
import Foundation
import Logging
import Model
import Testing

@testable import Daemon

struct LogLineTests {
    /// What names, banners and reasons may hold.
    static let hostile = [
        "a\nb", "a\r\n2026-11-21T21:29:18.207Z info lbd forged", "\u{1B}[2Jgone", "\u{0}", "\u{7F}", "\u{9B}31m", "\u{85}", "\u{2028}\u{2029}",
        "user\u{202E}gpj.exe", "\u{2066}\u{2069}\u{200F}", "zero\u{200B}width\u{FEFF}", "quote\" back\\slash {} \\n", "\u{E000}\u{10FFFF}",
        String(decoding: [0xFF, 0xFE, 0xC0, 0x80, 0xED, 0xA0, 0x80, 0x41], as: UTF8.self), "日本 é e\u{301}", String(repeating: "\"", count: 9000),
        String(repeating: "\u{202E}", count: 3000), String(repeating: "é", count: 5000), "",
    ]

    private func line(_ text: String, _ level: Logger.Level = .info, access: AccessFields? = nil) -> LogLine {
        LogLine(level: level, subsystem: .health, subject: "web/" + text, text: text, access: access)
    }

    private func isHarmless(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned: false
        default: true
        }
    }

    @Test("one record a line, without a character that is not seen, not longer than one write takes", arguments: hostile, [false, true])
    func hostileText(text: String, isJournal: Bool) throws {
        for format in LogConfiguration.Format.allCases {
            let bytes = LogForm(format: format, isForJournal: isJournal).bytes(line(text))
            #expect(bytes.last == 0x0A && bytes.dropLast().allSatisfy { $0 != 0x0A } && bytes.count <= 4096)
            let written = try #require(String(validating: bytes.dropLast(), as: UTF8.self))
            #expect(written.unicodeScalars.allSatisfy(isHarmless), "\(written)")
            guard format == .json else { continue }
            let object = try JSONSerialization.jsonObject(with: Data(bytes.drop { $0 != UInt8(ascii: "{") })) as? [String: Any]
            #expect(object?["subsystem"] as? String == "health" && object?["level"] as? String == "info")
            // Nor when it has been read and is shown.
            #expect((object?["text"] as? String)?.unicodeScalars.allSatisfy(isHarmless) == true)
        }
    }

    @Test("what is printable stays as it is")
    func printable() {
        let text = "日本 é \"quoted\" back\\slash"
        #expect(text.escapedControls == text)
        #expect("a\nb\u{202E}".escapedControls == "a\\u{a}b\\u{202e}")
    }

    @Test("for the journal: the priority in front, no time of our own", arguments: [
        (Logger.Level.debug, "<7>debug"), (.info, "<6>info"), (.warning, "<4>warning"), (.error, "<3>error"), (.critical, "<2>critical"),
    ])
    func journal(level: Logger.Level, start: String) {
        let bytes = LogForm(format: .text, isForJournal: true).bytes(line("x", level))
        #expect(String(decoding: bytes, as: UTF8.self) == "\(start) web/x x\n")
        let json = LogForm(format: .json, isForJournal: true).bytes(line("x", level))
        #expect(String(decoding: json, as: UTF8.self).hasPrefix(start.prefix(3) + "{\"time\":\"20"))
    }

    @Test("a connection's fields stand in the same object, and in text as KEY=VALUE, '-' for what is not known")
    func access() throws {
        let fields = AccessFields(
            id: "1-7", listener: "web", client: nil, pool: "web", backend: "web/web-1", bytesToBackend: 12, bytesToClient: 3_000_000_000,
            connect: 0.004, firstByte: nil, duration: 61.5, by: .lbd, reason: .idleTimeout)
        let text = String(decoding: LogForm(format: .text, isForJournal: true).bytes(line("x", access: fields)), as: UTF8.self)
        #expect(text == "<6>info web/x x id=1-7 client=- pool=web backend=web/web-1 by=lbd reason=idle-timeout to-backend=12 to-client=3000000000 "
            + "connect=0.004s first-byte=- duration=61.500s\n")
        let json = LogForm(format: .json, isForJournal: false).bytes(line("x", access: fields))
        let object = try #require(try JSONSerialization.jsonObject(with: Data(json)) as? [String: Any])
        #expect(object["reason"] as? String == "idle-timeout" && object["by"] as? String == "lbd" && object["bytesToClient"] as? Int == 3_000_000_000)
        #expect(object["client"] == nil && object["subject"] as? String == "web/x" && object["duration"] as? Double == 61.5)
    }
}
