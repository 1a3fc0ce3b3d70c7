// Bytes that are no text are refused with their place.
import Configuration
import Testing

struct YamlTextTests {
    @Test("bytes that are not UTF-8 are shown where they stand, not replaced in silence", arguments: [
        ([0x61, 0x3A, 0x20, 0xFF], "1:4: "), ([0x0A, 0x0A, 0xC3, 0x28], "3:1: "), ([0x61, 0xC3], "1:2: "),
        ([0xC0, 0xAF], "1:1: "), ([0xED, 0xA0, 0x80], "1:1: "), ([0xFF, 0xFE, 0x61, 0x00], "1:1: "),
    ] as [([UInt8], String)])
    func notUtf8(bytes: [UInt8], place: String) {
        #expect(yamlFailure(bytes) == place + "this is not UTF-8; save the file in that encoding")
    }

    @Test("a NUL byte ends no file early")
    func nul() {
        #expect(yamlFailure("a: b\nc: \0d") == "2:4: this is not a text file: it holds NUL bytes")
    }

    @Test("a program is not told of its control characters one by one")
    func binary() {
        #expect(yamlFailure([0x7F, 0x45, 0x4C, 0x46, 0x02, 0x01, 0x00]) == "1:1: this is not a text file: it holds NUL bytes")
        #expect(yamlFailure([0x1F, 0x8B, 0x08, 0x00]) == "1:1: this is not a text file: it holds NUL bytes")
    }

    @Test("control characters, which an editor hides, are named")
    func control() {
        #expect(yamlFailure("a: é\u{1B}").hasPrefix("1:5: U+001B is a control character"))
        #expect(yamlFailure("a: \u{9F}").hasPrefix("1:4: U+009F is a control character"))
        #expect(yamlFailure("a: b\u{FEFF}").hasPrefix("1:5: U+FEFF is a control character"))
    }

    @Test("what only YAML takes for a line break would make every later line number wrong")
    func lineBreaks() {
        #expect(yamlFailure("a: b\rc: d").hasPrefix("1:5: a carriage return without a line feed"))
        #expect(yamlFailure("a: b\r").hasPrefix("1:5: a carriage return without a line feed"))
        #expect(yamlFailure("a: b\u{2028}").hasPrefix("1:5: U+2028 is a line break to YAML and to no editor"))
        #expect(yamlFailure("a: b\r\nc: [\r\n").hasPrefix("3:1: this is not YAML"))
    }
}
