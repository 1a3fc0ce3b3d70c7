// Listeners: their pools, and what they bind.
import Configuration
import Testing

struct LoadListenerTests {
    @Test("a listener's pool must be there")
    func danglingPool() {
        #expect(errors(changed("pool: web", "pool: wbe")) == [
            "lb.yaml:5:11: listener 'web' names pool 'wbe', which is not defined; did you mean 'web'?"
        ])
        #expect(errors(changed("pool: web", "pool: database")) == [
            "lb.yaml:5:11: listener 'web' names pool 'database', which is not defined; defined: web"
        ])
        #expect(errors(changed("pool: web", "pool: 'w b'")) == [
            "lb.yaml:5:11: 'pool' of listener 'web' is 'w b'; a name consists of letters, digits, '.', '_' and '-'"
        ])
    }

    @Test("a faulty pool is one fault: its listener is not blamed as well")
    func faultyPool() {
        #expect(errors(changed("idle-timeout: 30m", "idle-timeout: 30")).count == 1)
        #expect(errors("control: a\nlisteners: { web: { bind: 127.0.0.1:80, pool: web } }\npools:\n") == [
            "lb.yaml:3:7: 'pools' has no value; write NAME: and what belongs to it for each pool"
        ])
    }

    @Test("two listeners on one address share its connections by chance; port 0 is a new one each time")
    func sameBind() {
        let second = { (bind: String) in "pool: web\n  more: { bind: \(bind), pool: web }" }
        #expect(errors(changed("pool: web", second("127.0.0.1:8080"))) == [
            "lb.yaml:6:17: listener 'more' binds 127.0.0.1:8080, which listener 'web' in line 4 binds already; take another port"
        ])
        #expect(errors(changed("pool: web", second("127.0.0.1:8081"))) == [])
        let free = changed("bind: 127.0.0.1:8080", "bind: 127.0.0.1:0")
        #expect(errors(free.replacing("    pool: web\n", with: "    \(second("127.0.0.1:0"))\n")) == [])
    }

    @Test("what other servers take for every address is told how to be written here", arguments: [":8080", "'*:8080'"])
    func allAddresses(bind: String) {
        #expect(errors(changed("127.0.0.1:8080", bind)).first?.hasSuffix("; for all addresses write 0.0.0.0:8080") == true)
        #expect(errors(changed("127.0.0.1:8080", "':http'")).first?.contains("0.0.0.0") == false)
        #expect(errors(changed("127.0.0.1:9001", bind)).first?.contains("0.0.0.0") == false)
    }

    @Test("one socket's path in two spellings is one address")
    func sameUnixBind() {
        let text = changed("bind: 127.0.0.1:8080\n    pool: web", "bind: unix:a\n    pool: web\n  more: { bind: unix:./a, pool: web }")
        #expect(errors(text).map { $0.prefix(16) } == ["lb.yaml:6:17: li"])
    }

    @Test("a balancer without a listener takes nothing")
    func noListeners() {
        #expect(errors("control: a\npools: { web: { backends: { a: 127.0.0.1:1 } } }") == [
            "lb.yaml:1:1: the file has no 'listeners'; add listeners: with at least one listener"
        ])
    }

    @Test("an empty section that is written so is none of them: a balancer may run out of pools and be saved")
    func emptySections() throws {
        let empty = try load("control: a\nlisteners: {}\npools: {}")
        #expect(empty.listeners.isEmpty && empty.pools.isEmpty)
        #expect(try load("control: a\nlisteners: {}\npools: { web: { backends: {} } }").pools[0].backends.isEmpty)
        for nothing in ["", "~", "[]"] {
            #expect(errors("control: a\nlisteners: {}\npools: \(nothing)").count == 1)
            #expect(errors("control: a\nlisteners: \(nothing)\npools: {}").count == 1)
        }
        #expect(errors("control: a\nlisteners: { web: { bind: 127.0.0.1:1, pool: web } }\npools: {}") == [
            "lb.yaml:2:46: listener 'web' names pool 'web', which is not defined; defined: none"
        ])
    }

    @Test("more than lbd has room for is an error of the file, not of the start")
    func tooMany() {
        let many = (1...1025).map { "l\($0): { bind: 127.0.0.1:\($0), pool: web }" }.joined(separator: ", ")
        #expect(errors("control: a\npools: { web: { backends: {} } }\nlisteners: { \(many) }") == [
            "lb.yaml:3:12: 1025 listeners are too many; write at most 1024"
        ])
    }
}
