// The texts made from the declarations, and the committed files that must agree with them.
import Configuration
import Foundation
import Testing

struct OptionsTextTests {
    /// `WRITE_REFERENCE=1 swift test --filter referenceIsGenerated` writes the file anew.
    @Test("Config/reference.yaml is what the declarations say: an option cannot change and its reference stay")
    func referenceIsGenerated() throws {
        let path = configPath("reference.yaml")
        if ProcessInfo.processInfo.environment["WRITE_REFERENCE"] != nil {
            try Data(referenceYaml().utf8).write(to: path)
        }
        #expect(try String(contentsOf: path, encoding: .utf8) == referenceYaml(), "run it again with WRITE_REFERENCE=1")
    }

    @Test("the committed files pass the check", arguments: ["reference.yaml", "example.yaml"])
    func committedFiles(name: String) throws {
        #expect(errors(bytes: Array(try Data(contentsOf: configPath(name)))) == [])
    }

    @Test("the reference file shows what an absent option means: leaving all of them out changes nothing")
    func defaults() throws {
        let bare = """
            control: run/lbd.sock
            listeners: { web: { bind: 127.0.0.1:8080, pool: web } }
            pools:
              web:
                backends: { web-1: 127.0.0.1:9001 }
            """
        #expect(try load(bare) == (try load(referenceYaml())))
    }

    @Test("every declared option is read: one that nobody reads would be accepted and do nothing")
    func everyOptionIsRead() {
        var lines = referenceYaml().components(separatedBy: "\n").map(uncommented)
        lines = lines.map { $0.replacing("check: connect", with: "check: banner").replacing("accept-proxy: none", with: "accept-proxy: v1v2").replacing("when-none: refuse", with: "when-none: divert") }
        lines.append("  spare: { backends: { spare-1: 127.0.0.1:9009 } }")
        // One check and one way to restart at a time: what goes with another is read all the same, and said to be idle.
        #expect(errors(lines.joined(separator: "\n")).filter { !$0.contains(" goes with check: ") && !$0.contains("restarted in one way") } == [])
        var options = 0
        for (index, line) in lines.enumerated() {
            // An option's line: a key, a value and a comment that ends with its form in brackets.
            guard let colon = line.firstIndex(of: ":"), line.hasSuffix(")"), !line.hasPrefix("#") else { continue }
            options += 1
            var broken = lines
            broken[index] = line[...colon] + " { x: y }"
            let found = errors(broken.joined(separator: "\n"))
            #expect(found.contains { $0.hasPrefix("lb.yaml:\(index + 1):\(line.distance(from: line.startIndex, to: colon) + 3): ") }, "\(line): \(found)")
        }
        #expect(options == optionDescriptions().count)
    }

    /// What stands in a comment, as if it had been chosen: `# NAME: …`, in a section that is a comment itself twice.
    private func uncommented(_ line: String) -> String {
        guard let option = line.wholeMatch(of: /( *)# ( *(?:# )?[a-z][a-z0-9-]*:.*)/) else { return line }
        return uncommented(String(option.1 + option.2))
    }

    @Test("the table of options has a line for each, its columns aligned")
    func table() throws {
        let lines = optionsText().split(separator: "\n").map(String.init)
        let options = optionDescriptions()
        #expect(lines.count == options.count + 1)
        #expect(Set(options.map(\.path)).count == options.count)
        let column = try #require(lines[0].range(of: "MEANING")).lowerBound.utf16Offset(in: lines[0])
        for (line, option) in zip(lines.dropFirst(), options) {
            #expect(line.hasPrefix(option.path + " "))
            #expect(String(line.dropFirst(column)) == option.doc)
            #expect(!option.doc.isEmpty && !option.doc.contains("\n"))
        }
    }

    @Test("what waits for the next start says so, in the table and in the reference file; all the rest holds at once")
    func effects() throws {
        let waiting = optionDescriptions().filter { $0.effect == .atNextStart }.map(\.path)
        #expect(waiting == ["control", "state-directory", "workers"])
        for path in waiting {
            #expect(optionsText().split(separator: "\n").contains { $0.hasPrefix(path + " ") && $0.contains("at-next-start") })
        }
        #expect(referenceYaml().split(separator: "\n").filter { $0.hasSuffix("; next start)") }.count == waiting.count)
    }
}
