// Placeholders of a command.
import Model
import Testing

@Suite struct CommandTemplateTests {
    private func filled(_ words: [String], at address: Endpoint = .ipv4(0x0A00_0001, port: 80)) throws -> [String] {
        try CommandTemplate(words).filled(for: BackendReference("web/web-1"), at: address)
    }

    @Test func fillsEveryPlaceholderInsideItsWord() throws {
        #expect(try filled(["a", "{pool}/{backend}", "x{address}y", "{host}", "--port={port}"])
            == ["a", "web/web-1", "x10.0.0.1:80y", "10.0.0.1", "--port=80"])
    }

    @Test func aPathWithBlanksStaysOneArgument() throws {
        #expect(try filled(["{host}"], at: .unix(path: "/tmp/my socket")) == ["/tmp/my socket"])
    }

    @Test func leavesOtherBracesAlone() throws {
        let words = ["awk", "{print $1}", "${HOME}", "${host}", "{\"json\":{\"a\":1}}", "{}", "{", "}"]
        #expect(try filled(words) == words)
    }

    @Test func unknownPlaceholderIsAnErrorWithTheNearest() {
        let error = #expect(throws: TemplateError.self) { try CommandTemplate(["a", "{bakend}"]) }
        #expect(error?.description.contains("{bakend} is no placeholder: did you mean {backend}?") == true)
    }

    /// Fault: taken for plain text, so that what was restarted had the name `{backend`.
    @Test(arguments: ["{backend", "restart-{host:80", "{pool}/{backend"])
    func anUnclosedPlaceholderIsAnError(_ word: String) {
        let error = #expect(throws: TemplateError.self) { try CommandTemplate(["a", word]) }
        #expect(error?.description.contains("is not closed: write {") == true)
    }

    @Test(arguments: ["{print", "${backend", "{backend }", "{backends"])
    func otherOpenBracesAreText(_ word: String) throws {
        #expect(try filled(["a", word]) == ["a", word])
    }

    @Test func emptyIsAnError() {
        #expect(throws: TemplateError.self) { try CommandTemplate([]) }
        #expect(throws: TemplateError.self) { try CommandTemplate(["", "a"]) }
    }

    @Test func aUnixSocketHasNoPort() {
        let error = #expect(throws: TemplateError.self) { try filled(["{port}"], at: .unix(path: "/a")) }
        #expect(error?.description.contains("{port} has no value for web/web-1") == true)
    }
}
