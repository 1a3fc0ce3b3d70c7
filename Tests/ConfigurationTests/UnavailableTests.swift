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
}
