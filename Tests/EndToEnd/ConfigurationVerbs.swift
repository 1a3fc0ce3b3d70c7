// The running configuration as operators see it: shown, compared, changed, reloaded, saved. Faults: a change that is not
// all or nothing, a saved file that says something else than what runs, somebody's edit written over.
import ControlProtocol
import Foundation
import Glibc
import Model
import Testing

@Suite(.lab) struct ConfigurationVerbs {
    let lab = Lab.current
    private let balancer: Balancer

    private static let text = """
        # the shop
        control: lbd.sock
        workers: 2
        listeners:
          web: { bind: "127.0.0.1:0", pool: web }
        pools:
          web:
            health: { check: none }   # no probes here
            backends:
              web-1: 127.0.0.1:9001
              web-2: { address: 127.0.0.1:9002, weight: 2 }

        """

    init() throws {
        let lab = Lab.current
        balancer = try Balancer(lab, file: try lab.write("lbd.yaml", ConfigurationVerbs.text))
    }

    private func file(_ name: String = "lbd.yaml") throws -> String { try String(contentsOfFile: lab.path(name), encoding: .utf8) }

    private func changes(_ words: String...) throws -> [ChangeRecord] {
        let end = try balancer.startLbctl(words + ["-o", "json"]).end(within: .seconds(30))
        guard end.status == 0 else { throw HarnessError("\(words): \(end)") }
        return try JSONDecoder().decode(ChangesRecord.self, from: Data(end.output.utf8)).changes
    }

    private func expectNoDifference() throws {
        let end = try balancer.lbctl("config", "diff")
        #expect(end.status == 0 && end.output == "no change\n", "\(end)")
    }

    @Test("config show is a file that says what runs; --defaults says all of it")
    func show() throws {
        let end = try balancer.lbctl("config", "show")
        #expect(end.status == 0 && end.output.contains("web-2:\n        address: 127.0.0.1:9002\n        weight: 2\n"), "\(end)")
        #expect(!end.output.contains("balance") && !end.output.contains("#"))
        let all = try balancer.lbctl("config", "show", "--defaults").output
        #expect(all.contains("    balance: least-connections\n") && all.contains("control: \(balancer.control)\n"))
        for text in [end.output, all] {
            #expect(try lab.run([Installed.product("lbd"), "--check", "--config", lab.write("shown.yaml", text)]).status == 0)
        }
        let json = try balancer.lbctl("config", "show", "-o", "json").output
        #expect(try JSONDecoder().decode(ConfigShowRecord.self, from: Data(json.utf8)).yaml == end.output)
    }

    @Test("a HUP whose file has errors is seen in the status, and so are changes that are in no file")
    func unseenFailures() throws {
        #expect(try balancer.status().reloadFailure == nil && balancer.status().unsavedChanges == 0)
        #expect(try balancer.command("pool set web balance=random idle-timeout=5m").code == .done)
        #expect(try balancer.status().unsavedChanges == 2)
        #expect(try balancer.lbctl("status").output.contains("2 changes not in the file: lbctl config diff"))
        try lab.write("lbd.yaml", ConfigurationVerbs.text.replacing("workers: 2", with: "worker: 2"))
        try balancer.program.signal(SIGHUP)
        let failure = try eventually(within: .seconds(20), "the failed reload in the status") { try balancer.status().reloadFailure }
        #expect(failure.by == "SIGHUP" && failure.errors.count == 1 && failure.errors[0].contains("unknown key 'worker'"), "\(failure)")
        let text = try balancer.lbctl("status").output
        #expect(text.contains("reload by SIGHUP at ") && text.contains("failed, nothing was changed: ") && text.contains("unknown key 'worker'"), "\(text)")
        try lab.write("lbd.yaml", ConfigurationVerbs.text)
        #expect(try balancer.command("config reload").code == .done)
        #expect(try balancer.status().reloadFailure == nil && balancer.status().unsavedChanges == 0)
        #expect(try balancer.command("pool set web balance=random").code == .done)
        #expect(try balancer.command("config save").code == .done)
        #expect(try balancer.status().unsavedChanges == 0)
    }

    @Test("long values are told in full to whoever changes them, and cut in the events, of which lbd keeps thousands")
    func longValues() throws {
        let long = String(repeating: "x", count: 60_000)
        #expect(try balancer.command("pool set web restart.command=[\(long)]").data.contains { $0.contains(long) })
        let told = try balancer.command("events").data.filter { $0.contains("restart.command") }
        #expect(told.count == 1 && told[0].utf8.count < 1500 && told[0].hasSuffix("x ... (60002 bytes)"), "\(told.map(\.utf8.count))")
    }

    @Test("saves at the same time, with changes between them: each is whole, none finds a stranger's edit, the last is what runs")
    func savesAtOnce() throws {
        let balancer = balancer
        let savers = (0..<6).map { _ in
            Background { try (0..<15).map { _ in try balancer.command("config save").status.text } }
        }
        let editor = Background {
            for weight in 1...40 { _ = try balancer.command("backend set web/web-2 weight=\(weight)") }
        }
        for saver in savers {
            let bad = try saver.result(within: .seconds(60)).filter { $0 != "+ok" }
            #expect(bad == [], "\(bad)")
        }
        try editor.result(within: .seconds(60))
        #expect(try balancer.command("config save").code == .done)
        try expectNoDifference()
    }

    @Test("wish: is for a first start: a backend that stands keeps its own, over save and restart too, and the answer says so")
    func wishOfTheFile() throws {
        let change = try #require(try changes("backend", "set", "web/web-1", "wish=drain").first)
        #expect(change.effect == "at-first-start" && change.text.contains("first start"), "\(change)")
        #expect(try balancer.backend("web-1").wish == .ready)
        #expect(try balancer.command("backend add web/web-3 127.0.0.1:9003 wish=drain").code == .done)
        #expect(try balancer.command("backend set web/web-3 wish=").code == .done)
        #expect(try balancer.command("config save").code == .done)
        try eventually(within: .seconds(5), "the wishes on the disk") { try file("run/wishes.json").contains("web-3") }
        try balancer.stop()
        let again = try Balancer(lab, file: lab.path("lbd.yaml"))
        #expect(try again.backend("web-1").wish == .ready)
        #expect(try again.backend("web-3").wish == .drain)
    }

    @Test("a change is told with old and new value, shown, an event by its author, and no difference once it is saved")
    func changeAndSave() throws {
        #expect(try changes("pool", "set", "web", "health.interval=1s", "drain.deadline=1m", "health.check=connect", "--force").map(\.text).sorted()
            == ["drain.deadline 5m -> 1m", "health.check none -> connect", "health.interval 2s -> 1s"])
        #expect(try changes("backend", "add", "web/web-3", "127.0.0.1:9003", "weight=3").map(\.change) == ["added"])
        #expect(try changes("backend", "set", "web/web-2", "weight=").map(\.text) == ["weight 2 -> 1"])
        #expect(try changes("log", "level", "debug").map(\.key) == ["log.level"])
        #expect(try changes("pool", "add", "api", "backends.a.b=127.0.0.1:9001").map(\.subject) == ["pool api", "backend api/a.b"])
        #expect(try changes("config", "diff").count == 8)
        let end = try balancer.lbctl("config", "save")
        #expect(end.status == 0 && end.output.contains("comments") && end.output.contains("lbd.yaml"), "\(end)")
        try expectNoDifference()
        #expect(try file().contains("web-3:\n        address: 127.0.0.1:9003\n        weight: 3\n") && !file().contains("the shop"))
        let events = try balancer.command("events").data
        #expect(events.contains { $0.contains("web/web-2 configuration changed by ") && $0.hasSuffix(": weight 2 -> 1") }, "\(events)")
        #expect(try balancer.lbctl("config", "save").output.contains("comments") == false, "there were none any more")
    }

    @Test("config save keeps the file's mode, and a link stays a link")
    func modeAndLink() throws {
        try FileManager.default.moveItem(atPath: lab.path("lbd.yaml"), toPath: lab.path("real.yaml"))
        try FileManager.default.createSymbolicLink(atPath: lab.path("lbd.yaml"), withDestinationPath: "real.yaml")
        chmod(lab.path("real.yaml"), 0o604)
        _ = try changes("pool", "set", "web", "idle-timeout=5m")
        #expect(try balancer.lbctl("config", "save").status == 0)
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: lab.path("lbd.yaml")) == "real.yaml")
        #expect(try FileManager.default.attributesOfItem(atPath: lab.path("real.yaml"))[.posixPermissions] as? Int == 0o604)
        #expect(try file("real.yaml").contains("idle-timeout: 5m"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: lab.folder).contains { $0.hasSuffix(".new") } == false)
    }

    @Test("somebody else's edit of the file is not written over without --force")
    func savedOverAnEdit() throws {
        try lab.write("lbd.yaml", ConfigurationVerbs.text.replacing("weight: 2", with: "weight: 7"))
        let end = try balancer.lbctl("config", "save")
        #expect(end.status == 4 && end.errors.contains("has changed on disk since it was loaded"), "\(end)")
        #expect(try file().contains("weight: 7"))
        #expect(try balancer.lbctl("config", "save", "--force").status == 0)
        #expect(try file().contains("weight: 2"))
        try expectNoDifference()
        #expect(try balancer.lbctl("config", "save").status == 0)
    }

    @Test("a file in another folder means the same there: relative paths do not follow it; one that is there is kept")
    func savedElsewhere() throws {
        try FileManager.default.createDirectory(atPath: lab.path("backup"), withIntermediateDirectories: false)
        let target = lab.path("backup/lbd.yaml")
        #expect(try balancer.lbctl("config", "save", "--file", target).status == 0)
        let saved = try file("backup/lbd.yaml")
        #expect(saved.contains("control: \(balancer.control)\n") && saved.contains("state-directory: \(lab.path("run"))\n"), "\(saved)")
        #expect(try balancer.lbctl("config", "save", "--file", target).status == 4)
        #expect(try balancer.lbctl("config", "save", "--file", lab.path("nowhere/x.yaml")).status == 1)
        #expect(try file().contains("# the shop"))
    }

    @Test("reload takes the file's changes, says which wait for the next start, and these stay in the difference")
    func reload() throws {
        let text = ConfigurationVerbs.text.replacing("workers: 2", with: "workers: 3").replacing("weight: 2", with: "weight: 5")
        try lab.write("lbd.yaml", text)
        #expect(try changes("config", "diff").map(\.text) == ["workers 2 -> 3, at the next start", "weight 2 -> 5"])
        #expect(try changes("config", "reload").map(\.effect) == ["at-next-start", "at-once"])
        #expect(try changes("config", "diff").map(\.text) == ["workers 2 -> 3, at the next start"])
        #expect(try balancer.status().workers == 2)
        #expect(try changes("config", "reload").isEmpty)
        try lab.write("lbd.yaml", ConfigurationVerbs.text)
        #expect(try changes("config", "reload").map(\.text) == ["workers 3 -> 2, at the next start", "weight 5 -> 2"])
        try expectNoDifference()
        #expect(try balancer.lbctl("config", "save").status == 0, "what was reloaded is as lbd knows it")
    }

    @Test("SIGHUP reloads too: changes are events, errors go to the log with their places")
    func hangUp() throws {
        try lab.write("lbd.yaml", ConfigurationVerbs.text.replacing("weight: 2", with: "weight: 5"))
        try balancer.program.signal(SIGHUP)
        try eventually(within: .seconds(10), "the change as an event") {
            try balancer.command("events").data.contains { $0.contains("configuration changed by SIGHUP: weight 2 -> 5") }
        }
        try lab.write("lbd.yaml", ConfigurationVerbs.text.replacing("weight: 2", with: "weight: 0, backup: 1"))
        try balancer.program.signal(SIGHUP)
        try eventually(within: .seconds(10), "both errors in the log") {
            balancer.program.errors.contains("lbd.yaml:11:49: ") && balancer.program.errors.contains("lbd.yaml:11:60: ")
                && balancer.program.errors.contains("config reload by SIGHUP: nothing has changed; mend the file and reload again")
        }
        #expect(try balancer.lbctl("config", "show").output.contains("weight: 5"))
    }

    @Test("a file with errors is not taken up, not compared, and every error is told with its place", arguments: ["reload", "diff", "check"])
    func badFile(verb: String) throws {
        try lab.write("lbd.yaml", ConfigurationVerbs.text.replacing("weight: 2", with: "weight: 0").replacing("workers: 2", with: "workers: many"))
        let end = try balancer.lbctl("config", verb)
        #expect(end.status == 1 && end.output.contains("lbd.yaml:3:10: ") && end.output.contains("lbd.yaml:11:49: "), "\(end)")
        #expect(end.errors.contains("what runs is unchanged"))
        #expect(try balancer.lbctl("config", "show").output.contains("weight: 2"))
        // Fault: only whoever had asked for the reload knew of it.
        let by = try balancer.status().reloadFailure?.by ?? "nobody"
        try eventually(within: .seconds(10), "the log to say so, or not") {
            balancer.program.errors.contains("config reload by \(by): nothing has changed; mend the file and reload again") == (verb == "reload")
                && balancer.program.errors.contains("lbd.yaml:3:10: ") == (verb == "reload")
        }
    }

    @Test("what cannot be changes nothing, and says what would be right", arguments: [
        (["pool", "set", "web", "balance=random", "idle-timeout=5"], 1, "write 5s for seconds"),
        (["pool", "set", "wbe", "balance=random"], 1, "did you mean 'web'?"),
        (["pool", "remove", "web"], 4, "named by listener web"),
        (["backend", "add", "web/web-1", "127.0.0.1:1"], 1, "there already"),
        (["backend", "add", "web/web-3", "127.0.0.1:9001"], 1, "of 'web/web-1'"),
        (["backend", "remove", "web/web-1", "web/web-9"], 1, "there is no backend 'web/web-9'"),
        (["listener", "set", "web", "pool=api"], 1, "which is not defined"),
        (["listener", "add", "more", "pool=web"], 1, "has no 'bind'"),
        (["config", "set", "wrokers=2"], 1, "did you mean 'workers'?"),
    ])
    func refused(words: [String], status: Int32, hint: String) throws {
        let before = try balancer.lbctl("config", "show").output
        let end = try balancer.startLbctl(words).end(within: .seconds(30))
        #expect(end.status == status && end.errors.contains(hint) && end.output.isEmpty, "\(end)")
        #expect(try balancer.lbctl("config", "show").output == before)
        try expectNoDifference()
    }

    @Test("a pool may run empty, is warned of, and is saved so")
    func emptyPool() throws {
        let end = try balancer.lbctl("backend", "remove", "web/web-1", "web/web-2")
        #expect(end.status == 0 && end.errors.contains("pool web has no backend left"), "\(end)")
        #expect(try balancer.lbctl("config", "save").status == 0)
        #expect(try file().contains("backends: {}"))
        try expectNoDifference()
    }

    @Test("the level of the log changes at once")
    func logLevel() throws {
        #expect(try balancer.lbctl("log", "level", "error").status == 0)
        let before = balancer.program.errors.count
        _ = try changes("pool", "set", "web", "idle-timeout=5m")
        #expect(try balancer.lbctl("log", "level", "info").status == 0)
        _ = try changes("pool", "set", "web", "idle-timeout=6m")
        try eventually(within: .seconds(10), "the later change in the log") { balancer.program.errors.contains("idle-timeout 5m -> 6m") }
        #expect(!balancer.program.errors.dropFirst(before).contains("1h -> 5m"))
    }

    @Test("everything can be typed by hand, help names it all")
    func byHand() throws {
        let reply = try balancer.command("pool set web health.interval=1s restart.command=\"[ssh, '{host}']\"")
        #expect(reply.code == .done && reply.data.contains("pool web: health.interval 2s -> 1s"), "\(reply)")
        #expect(try balancer.command("config show").data.contains("      command: [ssh, \"{host}\"]"))
        let help = try balancer.command("help").data
        for verb in ["config reload", "config save", "backend add", "pool remove", "listener set", "log level"] {
            #expect(help.contains { $0.hasPrefix(verb) }, "\(verb)")
        }
    }
}

@Suite(.lab) struct SavedStateAgainstNewConfiguration {
    let lab = Lab.current

    @Test("complaint 5: saved state does not override a new configuration: address and weight are the file's, the wish is the operator's")
    func complaint5() throws {
        let text = { (weight: Int, port: Int) in
            """
            control: lbd.sock
            listeners: { web: { bind: "127.0.0.1:0", pool: web } }
            pools: { web: { health: { check: none }, backends: { web-1: { address: 127.0.0.1:\(port), weight: \(weight) }, web-2: 127.0.0.1:9009 } } }

            """
        }
        let first = try Balancer(lab, file: try lab.write("lbd.yaml", text(2, 9001)))
        #expect(try first.command("drain web/web-1 owner=ann").code == .done)
        #expect(try first.command("backend set web/web-1 weight=9").code == .done)
        try first.stop()
        let second = try Balancer(lab, file: try lab.write("lbd.yaml", text(5, 9002)))
        let backend = try second.backend("web-1")
        #expect(backend.weight == 5 && backend.address == "127.0.0.1:9002", "\(backend)")
        #expect(backend.wish == .drain && backend.drain?.owner == "ann", "\(backend)")
    }
}
