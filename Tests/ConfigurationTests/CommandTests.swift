// Restart commands: a list, with known placeholders.
import Configuration
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
}
