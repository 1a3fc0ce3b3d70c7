// The document: written, edited and read back. Faults: a saved file that means something else, a quote too few, an edit
// that half happens, a part that is not loaded again.
import Foundation
import Model
import Testing

@testable import Configuration

func loaded(_ text: String = goodFile, folder: String = "/etc/sluice") throws -> LoadedConfiguration {
    try loadDocument(bytes: Array(text.utf8), file: "lb.yaml", folder: folder)
}

/// Reads the document's own text; equal in both tree and meaning.
func expectRoundTrip(_ loaded: LoadedConfiguration, _ note: String = "") {
    let text = loaded.document.yaml
    do {
        let again = try loadDocument(bytes: Array(text.utf8), file: "saved.yaml", folder: loaded.document.folder)
        #expect(again.document == loaded.document, "\(note)\n\(text)")
        #expect(again.configuration == loaded.configuration, "\(note)\n\(text)")
    } catch { Issue.record("\(note) \(error)\n\(text)") }
}

let web = ConfigurationSubject.pool(PoolName(unchecked: "web"))
let listenerWeb = ConfigurationSubject.listener(ListenerName(unchecked: "web"))
func backend(_ name: String) -> ConfigurationSubject {
    .backend(BackendReference(pool: PoolName(unchecked: "web"), backend: BackendName(unchecked: name)))
}

/// `health.interval=1s` and so on.
func settings(_ words: String...) -> [Setting] {
    words.map { word in
        let equals = word.firstIndex(of: "=")!
        return Setting(key: String(word[..<equals]), value: String(word[word.index(after: equals)...]))
    }
}

func editError(_ edits: ConfigurationEdit..., in text: String = goodFile) -> String {
    do {
        _ = try loaded(text).edited(by: edits)
        return "no error"
    } catch { return "\(error)" }
}

struct WholesaleTests {
    /// Faults: listeners, pools and backends that are taken away because a list left them out, past the verbs that say so.
    @Test(arguments: [
        ("listeners={}", "'listeners' is not an option: listeners are changed one by one, by 'listener add|set|remove'"),
        ("pools=", "'pools' is not an option: pools are changed one by one, by 'pool add|set|remove' and 'backend add|set|remove'"),
        ("pools.web.backends.a=", "'pools.web.backends.a' is not an option: pools are changed one by one, by 'pool add|set|remove' and 'backend add|set|remove'"),
        ("listeners.web.bind=127.0.0.1:1", "'listeners.web.bind' is not an option: listeners are changed one by one, by 'listener add|set|remove'"),
    ]) func listsAreNotSet(_ word: String, _ error: String) {
        #expect(editError(.set(.lbd, settings(word))) == error)
    }

    @Test(arguments: [
        ("backends={}", "'backends' of pool 'web': backends are added and removed one by one, by 'backend add|set|remove web/NAME'; remove drains first"),
        ("backends.a=", "'backends.a' of pool 'web': backends are added and removed one by one, by 'backend add|set|remove web/a'; remove drains first"),
    ]) func backendsAreNotSetAway(_ word: String, _ error: String) {
        #expect(editError(.set(web, settings(word))) == error)
    }

    @Test func anOptionOfOneIsStillSet() throws {
        let changed = try loaded().edited(by: [.set(web, settings("backends.a.weight=3"))])
        #expect(changed.configuration.pools[0].backends[0].weight == 3)
        #expect(try loaded().edited(by: [.add(.pool(PoolName(unchecked: "api")), settings("backends.x=127.0.0.1:9009"))]).configuration.pools.count == 2)
    }

    /// Fault: `when-none=refuse` is refused for the sake of options that did their work before, and nobody says how then.
    @Test func theCommandThatResetsWhatGoesWithItIsNamed() throws {
        let held = try loaded().edited(by: [.set(web, settings("when-none=hold", "hold.timeout=5s", "hold.length-max=7"))])
        do {
            _ = try held.edited(by: [.set(web, settings("when-none=refuse"))])
            Issue.record("hold.timeout does nothing any more")
        } catch {
            let text = "\(error)"
            #expect(text.hasSuffix("; all of it at once: lbctl pool set web when-none=refuse hold.length-max= hold.timeout=")
                || text.hasSuffix("; all of it at once: lbctl pool set web when-none=refuse hold.timeout= hold.length-max="), "\(text)")
        }
        let refusing = try held.edited(by: [.set(web, settings("when-none=refuse", "hold.length-max=", "hold.timeout="))])
        #expect(refusing.configuration.pools[0].whenNone == .refuse)
        #expect(editError(.set(web, settings("health.check=http", "health.path=/x"))).hasSuffix(
            "; all of it at once: lbctl pool set web health.check=http health.path=/x health.expect= health.send="))
        #expect(!editError(.set(web, settings("health.check=http", "balance=best"))).contains("all of it"))
    }
}

struct DocumentTests {
    @Test("what was written stays written, in the declared order; defaults stay unwritten")
    func text() throws {
        #expect(try loaded().document.yaml == """
            control: run/lbd.sock

            listeners:
              web:
                bind: 127.0.0.1:8080
                pool: web

            pools:
              web:
                idle-timeout: 30m
                health:
                  check: banner
                  expect: "220 "
                  send: "EHLO\\r\\n"
                backends:
                  a: 127.0.0.1:9001
                  b:
                    address: "[::1]:9002"
                    weight: 2
                    backup: true
                    wish: drain
                restart:
                  command: [ssh, "{host}", restart, "{backend}"]

            """)
        expectRoundTrip(try loaded())
    }

    @Test("the reference file reads back")
    func reference() throws {
        expectRoundTrip(try loaded(referenceYaml()))
    }

    @Test("a short backend becomes long when a second option is set, and a new one with an address alone is short")
    func shortForm() throws {
        let long = try loaded().edited(by: [.set(backend("a"), settings("weight=3"))])
        #expect(long.document.yaml.contains("      a:\n        address: 127.0.0.1:9001\n        weight: 3\n"))
        #expect(long.configuration.pools[0].backends[0].weight == 3)
        expectRoundTrip(long)
        let added = try loaded().edited(by: [.add(backend("c"), settings("address=127.0.0.1:9003"))])
        #expect(added.document.yaml.contains("      c: 127.0.0.1:9003\n"))
        #expect(added.configuration.pools[0].backends.map(\.name.text) == ["a", "b", "c"])
        let moved = try loaded().edited(by: [.set(backend("a"), settings("address=127.0.0.1:9009"))])
        #expect(moved.configuration.pools[0].backends[0].address.description == "127.0.0.1:9009")
    }

    @Test("an empty value is back to the default; the last one takes its section along")
    func removal() throws {
        let plain = try loaded().edited(by: [
            .set(web, settings("health.expect=", "health.send=", "health.check=", "idle-timeout=", "restart=")),
        ])
        #expect(!plain.document.yaml.contains("health") && !plain.document.yaml.contains("restart"))
        #expect(plain.configuration.pools[0].health.check == .connect && plain.configuration.pools[0].restart == nil)
        #expect(plain.configuration.pools[0].timeouts.idle == .seconds(3600))
        expectRoundTrip(plain)
        #expect(try loaded().edited(by: [.set(web, settings("drain.deadline="))]) == (try loaded()), "what was not written cannot be taken away")
        #expect(editError(.set(listenerWeb, settings("bind="))) == "listener 'web' has no 'bind'; add bind: 127.0.0.1:8080")
    }

    @Test("pools and listeners come and go; a pool may be empty")
    func poolsAndListeners() throws {
        let api = ConfigurationSubject.pool(PoolName(unchecked: "api")), extra = ConfigurationSubject.listener(ListenerName(unchecked: "api"))
        let more = try loaded().edited(by: [
            .add(api, settings("balance=random", "backends.a.example=127.0.0.1:9001", "backends.b.example.weight=4", "backends.b.example.address=127.0.0.1:9002")),
            .add(extra, settings("pool=api", "bind=[::1]:8081")),
        ])
        #expect(more.configuration.pools[1].backends.map(\.name.text) == ["a.example", "b.example"])
        #expect(more.configuration.pools[1].backends[1].weight == 4)
        #expect(more.configuration.listeners[1].bind.description == "[::1]:8081")
        expectRoundTrip(more)
        let empty = try more.edited(by: [.remove(extra), .remove(api), .remove(backend("a")), .remove(backend("b"))])
        #expect(empty.configuration.pools.count == 1 && empty.configuration.pools[0].backends.isEmpty)
        #expect(empty.document.yaml.contains("    backends: {}\n"))
        expectRoundTrip(empty)
        let none = try empty.edited(by: [.remove(listenerWeb), .remove(web)])
        #expect(none.document.yaml == "control: run/lbd.sock\nlisteners: {}\npools: {}\n")
        expectRoundTrip(none)
        expectRoundTrip(try none.edited(by: [.add(web, [])]))
    }

    @Test("a pool that a listener names stays, and the refusal says which")
    func usedPool() throws {
        do {
            _ = try loaded().edited(by: [.remove(web)])
            Issue.record("removed")
        } catch let error as ConfigurationEditError {
            #expect(error.isUnsafe)
            #expect(error.description == "pool web is named by listener web: remove it or name another pool there first")
        }
    }

    @Test("errors name the option and what would be right, without a file", arguments: [
        ("health.intervall=1s", "unknown key 'intervall' in 'health' of pool 'web'; did you mean 'interval'?"),
        ("interval=1s", "unknown key 'interval' in pool 'web'; it belongs in listeners.NAME.keepalive.interval, pools.NAME.keepalive.interval or pools.NAME.health.interval"),
        ("idle-timeout=5", "'idle-timeout' of pool 'web' is '5', a number without a unit; write 5s for seconds, or one of ms, m, h, d"),
        ("backends.a.weight=0", "'weight' of backend 'web/a' is '0'; write a whole number from 1 to 256"),
        ("backends.c=127.0.0.1:9001", "backend 'web/c' has the address 127.0.0.1:9001 of 'web/a'; write its own"),
        ("backends.c=127.0.0.1:8080", "backend 'web/c' has the address 127.0.0.1:8080, where listener 'web' of this file listens: it would connect to itself; write a server's address"),
        ("backends.c d=127.0.0.1:1", "backend 'c d': a name consists of letters, digits, '.', '_' and '-'"),
        ("restart.command=[ssh", "'restart.command' of pool 'web': this is not YAML: did not find expected ',' or ']' while parsing a flow sequence that begins in line 1; close the bracket, and put commas between its items"),
        ("health={check: none, check: none}", "'health' of pool 'web': 'check' stands twice: first in line 1, column 2; keep one of them"),
        ("restart=none", "'restart' of pool 'web' is the text 'none'; write a mapping such as { command: [ssh, \"{host}\", sudo, systemctl, restart, web] }"),
    ])
    func errors(word: String, message: String) {
        #expect(editError(.set(web, settings(word))) == message)
    }

    @Test("names that are not there, or are there already")
    func names() {
        #expect(editError(.set(.pool(PoolName(unchecked: "wbe")), [])) == "there is no pool 'wbe'; did you mean 'web'?")
        #expect(editError(.remove(backend("aa"))) == "there is no backend 'web/aa'; did you mean 'web/a'?")
        #expect(editError(.remove(.listener(ListenerName(unchecked: "database")))) == "there is no listener 'database'; listeners: web")
        #expect(editError(.add(backend("a"), settings("address=127.0.0.1:1"))) == "backend web/a is there already; to change it: backend set")
        #expect(editError(.set(listenerWeb, settings("pool=wbe"))) == "listener 'web' names pool 'wbe', which is not defined; did you mean 'web'?")
        #expect(editError(.add(.listener(ListenerName(unchecked: "b")), settings("pool=web", "bind=127.0.0.1:8080")))
            == "listener 'b' binds 127.0.0.1:8080, which listener 'web' binds already; take another port")
    }

    @Test("an edit of a listener is checked against the backends of pools that were not touched")
    func listenerAtBackend() {
        #expect(editError(.set(listenerWeb, settings("bind=0.0.0.0:9001"))).hasPrefix(
            "backend 'web/a' has the address 127.0.0.1:9001, where listener 'web' of this file listens"))
    }

    @Test("all or nothing: one bad setting and none is made")
    func allOrNothing() throws {
        let before = try loaded()
        #expect(throws: ConfigurationEditError.self) { try before.edited(by: [.set(web, settings("balance=random", "idle-timeout=0"))]) }
        #expect(throws: ConfigurationEditError.self) { try before.edited(by: [.set(web, settings("balance=random")), .remove(backend("zz"))]) }
        #expect(before == (try loaded()))
    }

    @Test("values are YAML's: lists, texts with escapes, and an IPv6 endpoint without quotes")
    func values() throws {
        let edited = try loaded().edited(by: [
            .set(web, settings(#"health.expect="+OK\r\n""#, "restart.command=[sh, -c, 'echo {host}']", "source=::1")),
            .set(backend("a"), settings("address=[::1]:9001")), .set(listenerWeb, settings("deny=[10.0.0.0/8, fd00::/8]")),
        ])
        #expect(edited.configuration.pools[0].health.check == .banner(send: "EHLO\r\n", expect: "+OK\r\n"))
        #expect(edited.configuration.pools[0].restart?.command == ["sh", "-c", "echo {host}"])
        #expect(edited.configuration.pools[0].backends[0].address.description == "[::1]:9001")
        #expect(edited.configuration.listeners[0].rules.deny.count == 2)
        expectRoundTrip(edited)
    }

    @Test("with every default filled in it means the same, and shows more")
    func effective() throws {
        for text in [goodFile, referenceYaml()] {
            let before = try loaded(text)
            let again = try loadDocument(bytes: Array(before.document.effective.yaml.utf8), file: "x", folder: "/etc/sluice")
            #expect(again.configuration == before.configuration)
            #expect(again.document == before.document.effective)
        }
        let yaml = try loaded().document.effective.yaml
        #expect(yaml.contains("control: /etc/sluice/run/lbd.sock\n") && yaml.contains("    balance: least-connections\n"))
    }

    @Test("in another folder it means the same: relative paths and the default of one become absolute")
    func moved() throws {
        let before = try loaded(changed("a: 127.0.0.1:9001", "a: unix:run/a.sock"))
        let moved = before.document.moved(to: "/tmp")
        let again = try loadDocument(bytes: Array(moved.yaml.utf8), file: "x", folder: "/tmp")
        #expect(again.configuration == before.configuration)
        #expect(moved.yaml.contains("state-directory: /etc/sluice/run\n") && moved.yaml.contains("a: \n") == false)
        #expect(!moved.yaml.contains("balance"), "what does not depend on the folder stays as it was")
    }
}
