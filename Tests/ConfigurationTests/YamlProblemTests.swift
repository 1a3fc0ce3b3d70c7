// What libyaml refuses comes with its place and with advice.
import Configuration
import Testing

struct YamlProblemTests {
    @Test("a file that is no YAML says where, why, and what to change", arguments: [
        ("a:\n\t- b", "2:1: ", "indent with spaces, not tabs"),
        ("a: b: c", "1:5: ", "put quotes around a value that holds ': '"),
        ("a: 'x\nb: c\n", "3:1: ", "begins in line 1; a quote was opened and never closed"),
        ("a: [b\n", "2:1: ", "close the bracket"),
        ("bind: *:80", "1:8: ", "for all addresses write 0.0.0.0:PORT"),
        ("bind: [::1]:80", "1:8: ", "put quotes around a value that begins with one of [ ]"),
        ("a:\n  b: c\n d: e\n", "3:2: ", "check the indentation"),
        ("a: \"\\q\"", "1:5: ", "for a backslash, or use single quotes"),
        ("a: %x", "1:4: ", "put quotes around a value that begins with '@', '`' or '%'"),
    ])
    func problem(text: String, place: String, advice: String) {
        let failure = yamlFailure(text)
        #expect(failure.hasPrefix(place + "this is not YAML: "))
        #expect(failure.contains(advice), "\(failure)")
    }
}
