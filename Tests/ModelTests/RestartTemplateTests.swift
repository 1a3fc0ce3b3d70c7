// The ways to restart a backend with the backend in them: nothing splits a word, no value is read by a shell as more than itself.
import Testing

@testable import Model

struct RestartTemplateTests {
    private func filled(_ template: RestartTemplate, at address: String = "10.0.0.1:80") throws -> RestartTemplate {
        try template.filled(for: try BackendReference("web/web-1"), at: try Endpoint(address))
    }

    @Test func eachWayIsFilledIn() throws {
        #expect(try filled(.command(["a", "{backend}:{port}"])) == .command(["a", "web-1:80"]))
        #expect(try filled(.shell("a {host} | b")) == .shell("a 10.0.0.1 | b"))
        #expect(try filled(.systemd(unit: "web@{port}", host: "root@{host}")) == .systemd(unit: "web@80", host: "root@10.0.0.1"))
        #expect(try filled(.pause("restart {pool}/{backend}")) == .pause("restart web/web-1"))
    }

    /// Fault: a path with a blank or a quote becomes two words, or a command of its own, in a shell's line.
    @Test func aShellsLineHasItsValuesQuoted() throws {
        #expect(try filled(.shell("restart {address}"), at: "unix:/run/a b;c'd.sock") == .shell("restart 'unix:/run/a b;c'\\''d.sock'"))
    }

    @Test func aPlaceholderWithoutAValueIsAnError() {
        #expect(throws: TemplateError.self) { try filled(.systemd(unit: "web@{port}", host: nil), at: "unix:/run/web.sock") }
    }
}
