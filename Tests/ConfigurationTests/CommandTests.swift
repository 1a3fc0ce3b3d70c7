// Restart commands: a list, with known placeholders.
import Configuration
import Foundation
import Model
import Testing

/// The errors of the good file with another command (line 14, column 16).
private func command(_ text: String) -> [String] {
    errors(changed("[ssh, \"{host}\", restart, \"{backend}\"]", text))
}

struct CommandTests {
    @Test("a command line is answered with the list to write: no shell takes it apart")
    func oneText() {
        #expect(command("ssh {host} 'systemctl restart web'") == [
            "lb.yaml:14:16: 'command' of 'restart' of pool 'web' is one text, and no shell takes it apart; write the list [ssh, '{host}', '''systemctl', restart, 'web''']"
        ])
        #expect(command("''").first?.hasSuffix("write the list [systemctl, restart, web]") == true)
    }

    @Test("a placeholder that stands for nothing would reach the host as it is")
    func unknownPlaceholder() {
        #expect(command("[ssh, \"root@{hots}\", \"{port}\"]") == [
            "lb.yaml:14:22: item 2 in 'command' of 'restart' of pool 'web' holds {hots}, which stands for nothing; write {pool}, {backend}, {address}, {host} or {port}"
        ])
    }

    @Test("the command's own braces are left alone", arguments: [
        "[x, \"{pool}{backend}{address}{host}{port}\"]", "[sh, -c, \"echo ${HOME} {host}\"]", "[awk, \"{print $1}\"]", "[x, \"{}\", \"{\", \"}{\"]",
    ])
    func ownBraces(text: String) {
        #expect(command(text) == [])
    }

    @Test("a placeholder without quotes is a mapping to YAML; the error says so")
    func unquoted() {
        #expect(command("[ssh, {host}]") == [
            "lb.yaml:14:22: item 2 in 'command' of 'restart' of pool 'web' is a mapping; write a text (a text that begins with '{' needs quotes)"
        ])
    }

    @Test("a command has a program, and arguments that the kernel can carry", arguments: [
        ("[]", "14:16: 'command' of 'restart' of pool 'web' is an empty list; write the program and its arguments"),
        ("['', x]", "14:17: item 1 in 'command' of 'restart' of pool 'web' is empty; write the program's name"),
        ("[x, ~]", "14:20: item 2 in 'command' of 'restart' of pool 'web' has no value; write a text"),
        ("[x, \"a\\0\"]", "14:20: item 2 in 'command' of 'restart' of pool 'web' holds a NUL byte, which no argument can carry; take it out"),
    ])
    func impossible(text: String, error: String) {
        #expect(command(text) == ["lb.yaml:" + error])
    }

    @Test("items keep their spelling: 0755, yes and 1e3 are texts in a command")
    func spelling() throws {
        let text = changed("[ssh, \"{host}\", restart, \"{backend}\"]", "[install, -m, 0755, yes, 1e3, '']")
        #expect(try load(text).pools[0].restart?.command == ["install", "-m", "0755", "yes", "1e3", ""])
    }

    @Test("the other ways to restart: a shell's line, a unit, a person; and what goes with them")
    func ways() throws {
        func way(_ text: String) throws -> RestartTemplate? { try load(changed("command: [ssh, \"{host}\", restart, \"{backend}\"]", text)).pools[0].restart?.way }
        #expect(try way("{ command: [\"a | b {host}\"], shell: true }".unbraced) == .shell("a | b {host}"))
        #expect(try way("systemd: \"web@{port}\"") == .systemd(unit: "web@{port}", host: nil))
        #expect(try way("{ systemd: web, host: \"root@{host}\" }".unbraced) == .systemd(unit: "web", host: "root@{host}"))
        #expect(try way("pause: restart {backend}") == .pause("restart {backend}"))
    }

    @Test("one way alone, and nothing that goes with another", arguments: [
        ("command: [a]\n      systemd: web", "15:7: 'systemd' of 'restart' of pool 'web' stands beside 'command', and a backend is restarted in one way; take one of them out"),
        ("pause: a\n      host: b", "15:7: 'host' of 'restart' of pool 'web' goes with 'systemd', and there is none; add systemd: or take 'host' out"),
        ("pause: a\n      shell: true", "15:7: 'shell' of 'restart' of pool 'web' goes with 'command', and there is none; add command: or take 'shell' out"),
        ("command: [a, b]\n      shell: true", "14:16: 'command' of 'restart' of pool 'web' has 2 items, and with shell: true it is one text; write it as a list of one, [\"…\"]"),
        ("systemd: \"web@{prot}\"", "14:16: 'systemd' of 'restart' of pool 'web' holds {prot}, which stands for nothing; write {pool}, {backend}, {address}, {host} or {port}"),
        ("pause: ''", "14:14: 'pause' of 'restart' of pool 'web' is ''; write a text of one line"),
    ])
    func oneWay(text: String, error: String) {
        #expect(errors(changed("command: [ssh, \"{host}\", restart, \"{backend}\"]", text)) == ["lb.yaml:" + error])
    }
}

extension String {
    /// `{ a: 1, b: 2 }` as the lines of the good file's section.
    fileprivate var unbraced: String { dropFirst(2).dropLast(2).components(separatedBy: ", ").joined(separator: "\n      ") }
}
