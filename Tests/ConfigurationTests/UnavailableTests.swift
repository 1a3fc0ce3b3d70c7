// What the interface names and this version lacks is said plainly, never taken for a typo and never ignored.
import Configuration
import Testing

struct UnavailableTests {
    @Test("a key of a later version says so", arguments: [
        ("control:", "admin: 127.0.0.1:9180\ncontrol:", "1:1: 'admin' is not available in this version; take it out of the file"),
    ])
    func key(old: String, new: String, error: String) {
        #expect(errors(changed(old, new)) == ["lb.yaml:" + error])
    }

    @Test("a word of a later version says so: an at-deadline of close that keeps would surprise at night", arguments: [
        ("drain: { at-deadline: close }", "8:27: 'close' is not available in this version; write keep for 'at-deadline' of 'drain' of pool 'web'"),
        ("drain: { at-deadline: reset }", "8:27: 'reset' is not available in this version; write keep for 'at-deadline' of 'drain' of pool 'web'"),
    ])
    func word(line: String, error: String) {
        #expect(errors(changed("idle-timeout: 30m", line)) == ["lb.yaml:" + error])
    }
}
