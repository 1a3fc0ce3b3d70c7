// Loading as a whole: the values, the empty file, all errors at once.
import Configuration
import Model
import Testing

struct LoadTests {
    @Test("what the file says arrives, and what it leaves out is at its default")
    func values() throws {
        let configuration = try load(goodFile)
        #expect(configuration == BalancerConfiguration(
            control: "/etc/sluice/run/lbd.sock", stateDirectory: "/etc/sluice/run", stopDeadline: .seconds(60), workers: .auto,
            log: LogConfiguration(level: .info, format: .text),
            listeners: [
                ListenerConfiguration(name: try ListenerName("web"), bind: try Endpoint("127.0.0.1:8080"), pool: try PoolName("web"), backlog: 4096)
            ],
            pools: [
                PoolConfiguration(
                    name: try PoolName("web"), balance: .leastConnections,
                    timeouts: PoolTimeouts(connect: .seconds(2), idle: .seconds(1800), halfClosed: .seconds(60)), connectRetries: 2,
                    health: HealthConfiguration(
                        check: .banner(send: "EHLO\r\n", expect: "220 "), interval: .seconds(2), timeout: .seconds(1), rise: 2, fall: 3),
                    drainDeadline: .seconds(300),
                    backends: [
                        BackendConfiguration(name: try BackendName("a"), address: try Endpoint("127.0.0.1:9001"), weight: 1, backup: false, wish: .ready),
                        BackendConfiguration(name: try BackendName("b"), address: try Endpoint("[::1]:9002"), weight: 2, backup: true, wish: .drain),
                    ],
                    restart: RestartConfiguration(command: ["ssh", "{host}", "restart", "{backend}"], timeout: .seconds(120)))
            ]))
    }

    @Test("written values win over every default")
    func written() throws {
        let configuration = try load(goodFile + """
            state-directory: /var/lib/sluice
            stop-deadline: 0s
            workers: 4
            log: { level: debug, format: json, file: log/lbd.log, access: true, levels: { health: error, access: debug } }

            """)
        #expect(configuration.stateDirectory == "/var/lib/sluice")
        #expect(configuration.stopDeadline == .zero)
        #expect(configuration.workers == .exactly(4))
        #expect(configuration.log == LogConfiguration(
            level: .debug, format: .json, file: "/etc/sluice/log/lbd.log", access: true, levels: [.health: .error, .access: .debug]))
    }

    @Test("an empty file is an error: it would balance nothing and look well", arguments: ["", "\n", "# all commented out\n", "---\n", "~\n"])
    func empty(text: String) {
        #expect(errors(text) == [
            "lb.yaml:1:1: the file is empty: it needs at least 'control', 'listeners' and 'pools'; see Config/example.yaml"
        ])
    }

    @Test("a file that is no mapping is told what a configuration looks like", arguments: [("[a]", "is a list"), ("hello", "is the text 'hello'")])
    func noMapping(text: String, what: String) {
        #expect(errors(text) == [
            "lb.yaml:1:1: the file \(what); write KEY: VALUE lines, first of all 'control', 'listeners' and 'pools'"
        ])
    }

    @Test("all errors come at once and in the file's order: not one fault per attempt at 3 a.m.")
    func allAtOnce() {
        let text = """
            control: run/lbd.sock
            control: other.sock
            workers: 0
            listeners:
              web: { bind: 127.0.0.1:70000, pool: wbe }
              "w b": { bind: 127.0.0.1:1, pool: web, backlog: 0 }
            pools:
              web:
                connect-timeout: 5
                health: { rise: 0, fall: 101 }
                backends:
                  a: { address: 127.0.0.1, weight: 257 }
            """
        #expect(errors(text) == [
            "lb.yaml:2:1: 'control' stands twice: first in line 1, column 1; keep one of them",
            "lb.yaml:3:10: 'workers' is '0'; write auto or a whole number from 1 to 64",
            "lb.yaml:5:16: 'bind' of listener 'web': port 70000 is out of range: a port is 0 to 65535",
            "lb.yaml:5:39: listener 'web' names pool 'wbe', which is not defined; did you mean 'web'?",
            "lb.yaml:6:3: listener 'w b': a name consists of letters, digits, '.', '_' and '-'",
            "lb.yaml:6:51: 'backlog' of listener 'w b' is '0'; write a whole number from 1 to 65535",
            "lb.yaml:9:22: 'connect-timeout' of pool 'web' is '5', a number without a unit; write 5s for seconds, or one of ms, m, h, d",
            "lb.yaml:10:21: 'rise' of 'health' of pool 'web' is '0'; write a whole number from 1 to 100",
            "lb.yaml:10:30: 'fall' of 'health' of pool 'web' is '101'; write a whole number from 1 to 100",
            "lb.yaml:12:21: 'address' of backend 'web/a': '127.0.0.1' is no endpoint: write ADDRESS:PORT, [IPV6]:PORT or unix:PATH",
            "lb.yaml:12:40: 'weight' of backend 'web/a' is '257'; write a whole number from 1 to 256",
        ])
    }

    @Test("a file that is no YAML reaches the operator with its place")
    func noYaml() {
        #expect(errors(changed("      b: {", "      b: x: {")).first?.hasPrefix("lb.yaml:12:") == true)
        #expect(errors(String(repeating: "[", count: 5000)) == ["lb.yaml:1:33: nested deeper than 32 levels; nothing in this file is"])
        #expect(errors(bytes: Array(goodFile.utf8) + [0x23, 0xFF]) == ["lb.yaml:15:2: this is not UTF-8; save the file in that encoding"])
    }
}
