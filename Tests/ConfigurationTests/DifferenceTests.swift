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
            "pool web restart.command none -> [ssh, \"{host}\", restart, \"{backend}\"]", "pool web restart.timeout none -> 2m",
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

    @Test("every option: set, shown, saved and reloaded to no difference, and the difference to before names it")
    func everyOption() throws {
        var random = SeededGenerator(state: 7)
        for option in optionDescriptions() {
            for _ in 0..<8 {
                let subject: ConfigurationSubject = option.path.hasPrefix("listeners.") ? listenerWeb
                    : option.path.hasPrefix("pools.NAME.backends.") ? backend("a") : option.path.hasPrefix("pools.") ? web : .lbd
                let key = option.path.split(separator: ".").reversed().prefix { $0 != "NAME" }.reversed().joined(separator: ".")
                let before = try loaded()
                do throws(ConfigurationEditError) {
                    let after = try before.edited(by: [.set(subject, [Setting(key: key, value: RandomEdit.value(of: option, &random))])])
                    expectRoundTrip(after)
                    let found = difference(from: before.document, to: after.document)
                    #expect(found.isEmpty == (before.configuration == after.configuration), "\(option.path)")
                    for change in found {
                        guard case .changed(let changedKey, _, _, let effect) = change.kind else { Issue.record("\(change)"); continue }
                        #expect(change.subject == subject && (changedKey == key || key.hasPrefix("restart") || changedKey.hasPrefix(key.prefix { $0 != "." })))
                        if changedKey == key { #expect(effect == option.effect) }
                    }
                } catch { continue }
            }
        }
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
