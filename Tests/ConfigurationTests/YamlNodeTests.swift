// The border to libyaml: places, quotes, and what is refused before it can grow.
import Configuration
import Testing

private func tree(_ text: String) throws(YamlError) -> YamlNode? { try parseYaml(Array(text.utf8)).root }

/// What stops a file, as `LINE:COLUMN: message`.
func yamlFailure(_ bytes: [UInt8]) -> String {
    do throws(YamlError) {
        _ = try parseYaml(bytes)
        return "no error"
    } catch {
        return "\(error.place.line):\(error.place.column): \(error.message)"
    }
}

func yamlFailure(_ text: String) -> String { yamlFailure(Array(text.utf8)) }

struct YamlNodeTests {
    @Test("every node knows its place, counted from 1 and in characters, not bytes")
    func places() throws {
        let root = try #require(try tree("a: x\né: [ü, y]\nc:\n  - d: z\n"))
        guard case .mapping(let entries) = root.content, entries.count == 3,
            case .sequence(let flow) = entries[1].value.content, case .sequence(let block) = entries[2].value.content
        else { return #expect(Bool(false), "another tree: \(root)") }
        #expect(entries.map(\.key) == ["a", "é", "c"])
        #expect(entries.map(\.place) == [Place(line: 1, column: 1), Place(line: 2, column: 1), Place(line: 3, column: 1)])
        #expect(flow.map(\.place) == [Place(line: 2, column: 5), Place(line: 2, column: 8)])
        #expect(block.map(\.place) == [Place(line: 4, column: 5)])
    }

    @Test("a scalar remembers its quotes: otherwise \"2\" is a number and \"\" is nothing")
    func quotes() throws {
        let root = try #require(try tree("[2, '2', \"2\", 'null']"))
        guard case .sequence(let items) = root.content else { return #expect(Bool(false), "no list: \(root)") }
        #expect(items.map(\.content) == [
            .scalar("2", quoted: false), .scalar("2", quoted: true), .scalar("2", quoted: true), .scalar("null", quoted: true),
        ])
    }

    @Test("an escaped NUL does not end a text: libyaml's length counts, not the terminator")
    func escapedNul() throws {
        #expect(try tree("\"a\\0b\"")?.content == .scalar("a\0b", quoted: true))
    }

    @Test("a byte order mark is no text and moves no column")
    func byteOrderMark() throws {
        let root = try #require(try parseYaml([0xEF, 0xBB, 0xBF] + Array("a: b".utf8)).root)
        #expect(root.place == Place(line: 1, column: 1))
        #expect(yamlFailure([0xEF, 0xBB, 0xBF, 0x61, 0x00]).hasPrefix("1:2: "))
    }

    @Test("anchors, aliases and tags are refused where they stand", arguments: [
        ("a: &b c", "1:4: anchors"), ("a: &b [c]", "1:4: anchors"), ("a: &b\n  c: d", "1:4: anchors"), ("&a b: c", "1:1: anchors"),
        ("a: 1\nb: *a", "2:4: aliases"), ("*a : b", "1:1: aliases"), ("<<: *a", "1:5: aliases"),
        ("a: !!str b", "1:4: tags"), ("a: ! b", "1:4: tags"), ("a: !x [b]", "1:4: tags"), ("a: !!map {b: c}", "1:4: tags"),
    ])
    func refused(text: String, start: String) {
        #expect(yamlFailure(text).hasPrefix(start))
    }

    @Test("an alias bomb (CVE-2003-1564's kind) ends at its first anchor")
    func aliasBomb() {
        var bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n"
        for (one, next) in zip("abcdefghijklmnop", "bcdefghijklmnopq") {
            bomb += "\(next): &\(next) [" + Array(repeating: "*\(one)", count: 9).joined(separator: ", ") + "]\n"
        }
        #expect(yamlFailure(bomb).hasPrefix("1:4: anchors (&name) are not taken here"))
    }
}
