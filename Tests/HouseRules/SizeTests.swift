// Proportions: what does not fit on a screen is two things. Fault: 12,413 lines in one file (TigerBeetle's replica.zig).
import Testing

private struct Function {
    let name: String
    let line: Int
    let lines: Int
}

struct SizeTests {
    @Test func filesHaveAtMost500Lines() throws {
        for file in try Tree.swiftFiles(in: "Sources") + Tree.swiftFiles(in: "Tests") where file.code.count > 500 {
            Issue.record("\(file.path) has \(file.code.count) lines: which two nouns are in it?")
        }
    }

    @Test func functionsHaveAtMost70Lines() throws {
        for file in try Tree.swiftFiles(in: "Sources") + Tree.swiftFiles(in: "Tests") {
            for function in functions(in: file.code) where function.lines > 70 {
                Issue.record("\(file.path):\(function.line): '\(function.name)' has \(function.lines) lines, 70 at most")
            }
        }
    }

    @Test func everyFileOpensWithItsDuty() throws {
        for file in try Tree.swiftFiles(in: "Sources") + Tree.swiftFiles(in: "Tests") where !file.path.contains("/.build") {
            let first = file.text.prefix { $0 != "\n" }
            if !first.hasPrefix("// ") || first.count < 15 {
                Issue.record("\(file.path): the first line says in a comment what the file is for")
            }
        }
    }

    @Test func functionsAreMeasuredRight() {
        let code = [
            "protocol P {", "  func a()", "}", "struct S {", "  func b(", "    _ x: Int", "  ) -> Int {", "    if x { }", "    return 1", "  }",
            "  init() { }", "}",
        ]
        #expect(functions(in: code).map { "\($0.name) \($0.line) \($0.lines)" } == ["b 5 6", "init 11 1"])
    }

    private func functions(in code: [String]) -> [Function] {
        code.indices.compactMap { index in
            guard let name = declaredName(code[index]), let end = lastLine(ofDeclarationAt: index, in: code) else { return nil }
            return Function(name: name, line: index + 1, lines: end - index + 1)
        }
    }

    private func declaredName(_ line: String) -> String? {
        let words = line.split { $0 == " " }
        if let position = words.firstIndex(of: "func"), position + 1 < words.count {
            return String(words[position + 1].prefix { $0 != "(" && $0 != "<" })
        }
        return words.contains { $0.hasPrefix("init(") || $0.hasPrefix("init?(") || $0.hasPrefix("init<") } && !line.contains(".init")
            ? "init" : nil
    }

    /// Nil for a declaration without a body: its line ends outside of all parentheses, and no brace follows.
    private func lastLine(ofDeclarationAt start: Int, in code: [String]) -> Int? {
        var parentheses = 0, braces = 0
        for index in start..<code.count {
            for character in code[index] {
                switch character {
                case "(": parentheses += 1
                case ")": parentheses -= 1
                case "{" where parentheses == 0 || braces > 0: braces += 1
                case "}" where braces > 0:
                    braces -= 1
                    if braces == 0 { return index }
                case "}" where parentheses == 0: return nil
                default: continue
                }
            }
            guard parentheses == 0, braces == 0 else { continue }
            let next = code.dropFirst(index + 1).first { !$0.allSatisfy(\.isWhitespace) }?.trimmingPrefix { $0.isWhitespace } ?? ""
            guard ["{", "->", "where ", "throws", "async", ")"].contains(where: { next.hasPrefix($0) }) else { return nil }
        }
        return nil
    }
}
