// Keys: unknown, missing, of the wrong kind.
import Configuration
import Testing

struct SectionReaderTests {
    @Test("an unknown key is an error with the nearest known one: a typo would leave the default in force")
    func unknownKey() {
        #expect(errors(changed("idle-timeout", "idle-timout")) == [
            "lb.yaml:8:5: unknown key 'idle-timout' in pool 'web'; did you mean 'idle-timeout'?"
        ])
        #expect(errors(changed("bind:", "bnid:")) == [
            "lb.yaml:3:3: listener 'web' has no 'bind'; add bind: 127.0.0.1:8080",
            "lb.yaml:4:5: unknown key 'bnid' in listener 'web'; did you mean 'bind'?",
        ])
        #expect(errors(goodFile + "stop-dedline: 1m\n") == [
            "lb.yaml:15:1: unknown key 'stop-dedline' at the top level; did you mean 'stop-deadline'?"
        ])
    }

    @Test("a key that belongs elsewhere says where")
    func elsewhere() {
        #expect(errors(changed("idle-timeout: 30m", "interval: 1s")) == [
            "lb.yaml:8:5: unknown key 'interval' in pool 'web'; it belongs in listeners.NAME.keepalive.interval, pools.NAME.keepalive.interval or pools.NAME.health.interval"
        ])
    }

    @Test("a key like none is answered with all that are known")
    func likeNone() {
        #expect(errors(changed("pool: web", "pool: web\n    zzz: 1")) == [
            "lb.yaml:6:5: unknown key 'zzz' in listener 'web'; known here: bind, pool, backlog, connections-max, accept-proxy, trusted, proxy-timeout, allow, deny, user-timeout, source-connections-max, rate, source-rate, keepalive"
        ])
    }

    @Test("missing required keys are all named, at the part that lacks them")
    func missing() {
        #expect(errors("listeners:\n  web: { backlog: 5 }\npools:\n  web: {}\n") == [
            "lb.yaml:1:1: the file has no 'control'; add control: run/lbd.sock",
            "lb.yaml:2:3: listener 'web' has no 'bind'; add bind: 127.0.0.1:8080",
            "lb.yaml:2:3: listener 'web' has no 'pool'; add pool: web",
            "lb.yaml:4:3: pool 'web' has no 'backends'; add backends: with at least one backend",
        ])
        #expect(errors(changed("b: { address: \"[::1]:9002\", weight", "b: { weight")) == [
            "lb.yaml:12:7: backend 'web/b' has no 'address'; add address: 127.0.0.1:9001"
        ])
        #expect(errors(changed("command:", "timeout: 1m #")) == [
            "lb.yaml:13:5: 'restart' of pool 'web' has none of 'command', 'systemd' and 'pause'; add command: [ssh, \"{host}\", sudo, systemctl, restart, web]"
        ])
    }

    @Test("a section that is no mapping is answered with one")
    func wrongKind() {
        #expect(errors(goodFile + "log: debug\n") == [
            "lb.yaml:15:6: 'log' is the text 'debug'; write a mapping such as { level: info, format: text, access: false }"
        ])
        #expect(errors(goodFile + "log:\n") == [
            "lb.yaml:15:5: 'log' has no value; write a mapping such as { level: info, format: text, access: false }"
        ])
        #expect(errors(changed("    backends:\n", "    backends: [127.0.0.1:1]\n    drain:\n")).first ==
            "lb.yaml:10:15: 'backends' of pool 'web' is a list; write NAME: and what belongs to it for each backend")
        #expect(errors("control: a\nlisteners: { web: 127.0.0.1:80 }\npools: { web: { backends: { a: [] } } }") == [
            "lb.yaml:2:19: listener 'web' is the text '127.0.0.1:80'; write a mapping such as { bind: 127.0.0.1:8080, pool: web }",
            "lb.yaml:3:32: backend 'web/a' is a list; write a mapping such as { address: 127.0.0.1:9001 }",
        ])
    }
}
