// Where lbd answers HTTP itself. Faults: an address that a listener binds as well, so that one of them never opens; a
// change that waits for a restart without need.
import Model
import Testing

@testable import Configuration

struct LoadAdminTests {
    @Test func leftOutThereIsNone() throws { #expect(try load(goodFile).admin == nil) }

    @Test func anAddressAsListenersHaveIt() throws {
        #expect(try load(changed("control:", "admin: 127.0.0.1:9180\ncontrol:")).admin == .ipv4(0x7F00_0001, port: 9180))
        #expect(try load(changed("control:", "admin: unix:admin.sock\ncontrol:")).admin == .unix(path: "/etc/sluice/admin.sock"))
        let chosen = try load(changed("control:", "admin: 127.0.0.1:0\ncontrol:"))
        #expect(chosen.admin?.port == 0)
    }

    @Test func notOneThatAListenerBinds() {
        #expect(errors(changed("control:", "admin: 127.0.0.1:8080\ncontrol:"))
            == ["lb.yaml:1:8: 'admin' is 127.0.0.1:8080, which listener 'web' binds; take another port for one of them"])
    }

    @Test func aChangeHoldsAtOnce() throws {
        let old = try loadDocument(bytes: Array(goodFile.utf8), file: "lb.yaml", folder: "/").document
        let new = try loadDocument(bytes: Array(changed("control:", "admin: 127.0.0.1:9180\ncontrol:").utf8), file: "lb.yaml", folder: "/").document
        let changes = difference(from: old, to: new)
        #expect(changes.map(\.text) == ["admin none -> 127.0.0.1:9180"])
        #expect(changes.allSatisfy { !$0.waitsForStart })
    }
}
