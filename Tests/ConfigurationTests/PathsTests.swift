// Relative paths start at the file's folder, and the kernel's bound is checked after that.
import Configuration
import Model
import Testing

struct PathsTests {
    @Test("relative paths of every option become absolute, two spellings of one path the same")
    func absolute() throws {
        var text = changed("bind: 127.0.0.1:8080", "bind: unix:./run//web.sock")
            .replacing("a: 127.0.0.1:9001", with: "a: unix:../a.sock").replacing("control: run/lbd.sock", with: "control: /tmp/lbd.sock")
        text += "state-directory: state/\n"
        let configuration = try load(text)
        #expect(configuration.control == "/tmp/lbd.sock")
        #expect(configuration.stateDirectory == "/etc/sluice/state")
        #expect(configuration.listeners[0].bind == .unix(path: "/etc/sluice/run/web.sock"))
        #expect(configuration.pools[0].backends[0].address == .unix(path: "/etc/sluice/../a.sock"))
    }

    @Test("a path that only its folder makes too long for a socket is an error, not a bind that fails at night")
    func tooLong() {
        let folder = "/" + String(repeating: "f", count: 95)
        #expect(errors(goodFile, folder: folder) == [
            "lb.yaml:1:10: 'control' is '\(folder)/run/lbd.sock', 109 bytes long; a path here has at most 107"
        ])
        let text = changed("bind: 127.0.0.1:8080", "bind: unix:run/web.sock").replacing("control: run/lbd.sock", with: "control: /lbd.sock")
        #expect(errors(text, folder: folder) == [
            "lb.yaml:4:11: 'bind' of listener 'web': a Unix socket's path has at most 107 bytes, this one has 109: unix:\(folder)/run/web.sock"
        ])
    }

    @Test("107 bytes are taken and 108 are not, in bytes and not in characters")
    func exactly() {
        let longest = "/" + String(repeating: "é", count: 53)
        #expect(errors(changed("run/lbd.sock", longest)) == [])
        #expect(errors(changed("run/lbd.sock", longest + "x")).count == 1)
    }

    @Test("a path is not empty and holds no NUL")
    func impossible() {
        #expect(errors(changed("control: run/lbd.sock", "control: ''")) == ["lb.yaml:1:10: 'control' is empty; write a path"])
        #expect(errors(changed("control: run/lbd.sock", "control: \"a\\0b\"")) == [
            "lb.yaml:1:10: 'control' is a path with a NUL byte; write a path"
        ])
    }
}
