// README is the guide: what it names exists, and its table is the architecture. Fault: a guide that leads astray.
import Foundation
import Testing

struct ReadmeTests {
    private static let folders = ["Sources/", "Tests/", "Config/", "Benchmarks/"]

    /// Made by a run, not part of the tree.
    private func isMade(_ path: String) -> Bool { path.contains("/run/") || path.hasSuffix("/run") && !path.hasPrefix("Tests/") && !path.hasPrefix("Benchmarks/") }

    @Test func everyLinkLeadsSomewhere() throws {
        let readme = try Tree.read("README.md")
        let links = readme.split(separator: "](").dropFirst().map { String($0.prefix { $0 != ")" && $0 != "#" }) }
        #expect(links.count > 20)
        for link in links where !link.hasPrefix("http") && !link.isEmpty {
            #expect(Tree.exists(link), "README links to \(link), which is not there")
        }
    }

    /// In backticks, in code blocks, and in plain text: whatever begins with a folder of ours.
    @Test func everyPathExists() throws {
        let readme = try Tree.read("README.md")
        let separators = CharacterSet(charactersIn: " `()[]|\n\"',:;*<>")
        for word in readme.components(separatedBy: separators) {
            let path = word.hasSuffix(".") ? String(word.dropLast()) : word
            guard ReadmeTests.folders.contains(where: { path.hasPrefix($0) }), !isMade(path) else { continue }
            #expect(Tree.exists(path), "README names \(path), which is not there")
        }
    }

    @Test func commandsThatItTellsToRunCanBeRun() throws {
        for line in try shellLines(of: Tree.read("README.md")) {
            guard let command = line.split(separator: " ").first.map(String.init) else { continue }
            if command.contains("/") {
                let file = Tree.root.appendingPathComponent(command).path
                #expect(FileManager.default.isExecutableFile(atPath: file), "README runs \(command), which is no program")
            } else {
                #expect(["swift", "lbd", "lbctl", "quickstart", "export", "echo", "curl"].contains(command), "README runs \(command): is it ours?")
            }
        }
    }

    @Test func everyVerbThatItShowsIsOneOfLbctl() throws {
        let files = try Tree.swiftFiles(in: "Sources/lbctl").map { $0.name.dropFirst("lbctl/".count).lowercased() }
        for line in try shellLines(of: Tree.read("README.md")) where line.hasPrefix("lbctl ") {
            let verb = line.split(separator: " ")[1].lowercased()
            #expect(files.contains { $0.hasPrefix(verb) }, "README shows 'lbctl \(verb)': Sources/lbctl has no file for it")
        }
    }

    @Test func arrowTableIsTheTable() throws {
        let readme = try Tree.read("README.md")
        let section = try #require(readme.range(of: "## Modules and arrows\n"), "README has no arrow table")
        let lines = readme[section.upperBound...].split(separator: "\n", omittingEmptySubsequences: false)
            .drop { !$0.hasPrefix("|") }.prefix { $0.hasPrefix("|") }
        let rows = lines.dropFirst(2).map { line in
            line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
        }
        #expect(rows.map { $0[0] } == Arrows.table.map { "`\($0.key)`" })
        for (row, (target, imports)) in zip(rows, Arrows.table) {
            let told = row[2] == "–" ? [] : row[2].components(separatedBy: ", ")
            #expect(told == imports, "README's row of \(target)")
            #expect(!row[1].isEmpty)
        }
    }

    /// The lines of all blocks tagged `sh`.
    private func shellLines(of text: String) throws -> [String] {
        var lines: [String] = []
        var isInside = false
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("```") { isInside = line == "```sh" } else if isInside, !line.isEmpty { lines.append(String(line)) }
        }
        #expect(lines.count > 5)
        return lines
    }
}
