// Differences: what a reload would change, told in full and in an order in which it can be done.
import Configuration
import Model
import Testing

private func changes(_ old: String, _ new: String) throws -> [String] {
    try difference(from: loaded(old).document, to: loaded(new).document).map { "\($0.subject) \($0.text)" }
}

struct DifferenceTests {
    @Test("two spellings of one meaning are no difference")
    func spellings() throws {
        #expect(try changes(goodFile, goodFile) == [])
        #expect(try changes(goodFile, changed("idle-timeout: 30m", "\"idle-timeout\": \"1800s\"\n    balance: least-connections\n    keepalive: { idle: 0s }")) == [])
        #expect(try changes(goodFile, changed("a: 127.0.0.1:9001", "a: { address: 127.0.0.1:9001, weight: 1 }")) == [])
        #expect(try changes(goodFile, changed("run/lbd.sock", "/etc/sluice/./run//lbd.sock")) == [])
        let status = { (text: String) in changed("check: banner, expect: \"220 \", send: \"EHLO\\r\\n\"", "check: http, status: \(text)") }
        #expect(try changes(status("200-299"), status("['200-299']")) == [])
        #expect(try changes(status("200"), status("[200, 204-206]")) == ["pool web health.status 200 -> [200, 204-206]"])
        let networks = { (text: String) in changed("pool: web", "pool: web\n    allow: \(text)") }
        #expect(try changes(networks("[\"fd00:0::/8\"]"), networks("['fd00::/8']")) == [])
    }

    @Test("a changed option is told with its old and its new value, defaults filled in")
    func options() throws {
        #expect(try changes(goodFile, changed("idle-timeout: 30m", "balance: random\n    queue: { timeout: 5s }\n    drain: { deadline: 1m }")) == [
            "pool web balance least-connections -> random", "pool web idle-timeout 30m -> 1h", "pool web drain.deadline 5m -> 1m",
        ])
        #expect(try changes(goodFile, changed("weight: 2", "connections-max: 7")) == [
            "backend web/b weight 2 -> 1", "backend web/b connections-max none -> 7",
        ])
        #expect(try changes(goodFile, goodFile.replacing("control: run", with: "workers: 3\nlog: { level: debug }\ncontrol: ran")) == [
            "lbd control /etc/sluice/run/lbd.sock -> /etc/sluice/ran/lbd.sock, at the next start", "lbd workers auto -> 3, at the next start",
            "lbd log.level info -> debug",
        ])
        #expect(try changes(changed("    restart:\n      command: [ssh, \"{host}\", restart, \"{backend}\"]\n", ""), goodFile) == [
            "pool web restart.command none -> [ssh, \"{host}\", restart, \"{backend}\"]", "pool web restart.shell none -> false",
            "pool web restart.timeout none -> 2m",
        ])
    }

    @Test("what is new or gone is told with its settings; nothing is named before it is there or after it is gone")
    func order() throws {
        let other = """
            control: run/lbd.sock
            listeners: { more: { bind: 127.0.0.1:8081, pool: api } }
            pools: { api: { balance: random, backends: { x: { address: 127.0.0.1:9007, weight: 5 } } } }

            """
        #expect(try changes(goodFile, other) == [
            "listener web removed; it was { bind: 127.0.0.1:8080, pool: web }",
            "pool api added: { balance: random }",
            "backend api/x added: { address: 127.0.0.1:9007, weight: 5 }",
            "listener more added: { bind: 127.0.0.1:8081, pool: api }",
            "backend web/a removed; it was { address: 127.0.0.1:9001 }",
            "backend web/b removed; it was { address: \"[::1]:9002\", weight: 2, backup: true, wish: drain }",
            "pool web removed; it was { idle-timeout: 30m, health: { check: banner, expect: \"220 \", send: \"EHLO\\r\\n\" }, restart: { command: [ssh, \"{host}\", restart, \"{backend}\"] } }",
        ])
    }

    @Test("every option: set, shown, saved and reloaded to no difference")
    func everyOption() throws {
        var random = SeededGenerator(state: 7)
        let before = try loaded()
        for option in optionDescriptions() {
            let key = option.path.split(separator: ".").reversed().prefix { $0 != "NAME" }.reversed().joined(separator: ".")
            var accepted = 0
            for _ in 0..<10 {
                let setting = Setting(key: key, value: RandomEdit.value(of: option, &random))
                let edits = DifferenceTests.companions(of: option.path).filter { $0.key != key } + [setting]
                let whole: [ConfigurationEdit] = [.add(.pool(PoolName(unchecked: "api")), []), .set(DifferenceTests.subject(of: option.path), edits)]
                guard let after = DifferenceTests.edited(before, whole) else { continue }
                accepted += 1
                expectRoundTrip(after, option.path)
                let saved = try loaded(after.document.yaml)
                #expect(difference(from: after.document, to: saved.document) == [], "\(option.path)")
                #expect(saved.document.effective == after.document.effective, "\(option.path)")
            }
            #expect(accepted > 0, "\(option.path): what goes with it is to be added to the companions of this test")
        }
    }

    /// Nil: refused.
    private static func edited(_ loaded: LoadedConfiguration, _ edits: [ConfigurationEdit]) -> LoadedConfiguration? {
        do throws(ConfigurationEditError) { return try loaded.edited(by: edits) } catch { return nil }
    }

    private static func subject(of path: String) -> ConfigurationSubject {
        if path.hasPrefix("listeners.") { return listenerWeb }
        if path.hasPrefix("pools.NAME.backends.") { return backend("a") }
        return path.hasPrefix("pools.") ? web : .lbd
    }

    /// Without which an option would be refused. Those of other options are not looked at.
    private static func companions(of path: String) -> [Setting] {
        let http = settings("health.check=http", "health.expect=", "health.send=")
        let all: [String: [Setting]] = [
            "listeners.NAME.accept-proxy": settings("trusted=[10.0.0.0/8]"), "listeners.NAME.trusted": settings("accept-proxy=v1v2"),
            "listeners.NAME.proxy-timeout": settings("accept-proxy=v1v2", "trusted=[10.0.0.0/8]"),
            "listeners.NAME.rate": settings("rate.per-second=5"), "listeners.NAME.source-rate": settings("source-rate.per-second=5"),
            "listeners.NAME.keepalive": settings("keepalive.idle=1s"), "pools.NAME.keepalive": settings("keepalive.idle=1s"),
            "pools.NAME.lifetime-jitter": settings("lifetime=1h"), "pools.NAME.queue": settings("when-full=queue"),
            "pools.NAME.hold": settings("when-none=hold"), "pools.NAME.divert": settings("when-none=divert"),
            "pools.NAME.when-none": settings("divert=api"),
            "pools.NAME.health.path": http, "pools.NAME.health.host": http, "pools.NAME.health.status": http, "pools.NAME.health.body": http,
            "pools.NAME.health.command": settings("health.check=command", "health.expect=", "health.send="),
            "pools.NAME.health.check": settings("health.expect=", "health.send="),
            "pools.NAME.restart.shell": settings("restart.command=[true]"), "pools.NAME.restart.systemd": settings("restart.command="),
            "pools.NAME.restart.host": settings("restart.command=", "restart.systemd=web"), "pools.NAME.restart.pause": settings("restart.command="),
            "pools.NAME.drain.close-rate": settings("drain.at-deadline=close"),
        ]
        return all[path] ?? all[path.split(separator: ".").dropLast().joined(separator: ".")] ?? []
    }

    @Test("what only a start takes up is kept as it runs, and nothing else is")
    func kept() throws {
        let running = try loaded()
        for (key, value) in [("control", "x"), ("state-directory", "x"), ("workers", "7"), ("stop-deadline", "7s"), ("log.level", "debug")] {
            let wanted = try running.edited(by: [.set(.lbd, [Setting(key: key, value: value)])])
            let option = optionDescriptions().first { $0.path == key }
            #expect((wanted.configuration.keeping(running.configuration) == running.configuration) == (option?.effect == .atNextStart), "\(key)")
        }
    }
}
