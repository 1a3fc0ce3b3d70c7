// A thousand changes of every kind under full load: nobody fails for one, and in the end runs what was asked for.
// Faults: a change that is half done, forgotten, or done to something else; requests lost; descriptors and memory left.
import ControlProtocol
import Model
import Testing

@Suite(.lab(.heavy)) struct RandomChanges {
    let lab = Lab.current

    @Test("random changes by every verb under wrk: no request fails, what runs and is saved is what a model predicts, nothing is left")
    func underLoad() throws {
        let servers = try (1...4).map { try Nginx(lab, "w\($0)") }
        let first = ConfigurationText(backends: servers.prefix(2).map { ($0.name, "\($0.endpoint)") }, ["health: { interval: 500ms }"])
        let balancer = try Balancer(lab, first)
        try balancer.becomesAvailable()
        let idle = try Baseline(balancer)
        let wrk = try Wrk(lab, balancer.endpoint(), connections: 20)
        let conversation = try ControlConversation(balancer.control)
        var random = SeededRandom(seed: 4)
        var model = PredictedConfiguration(first, servers: servers)
        var done = 0, resident = 0
        let changes = Scale.of(200, full: 1000)
        for number in 0..<changes {
            if number == changes / 4 { resident = try ProcessTable.residentKiB(balancer.process) }
            let change = model.change(&random)
            try conversation.send(change.line + "\n")
            let reply = try conversation.reply()
            #expect((reply.code == .done) == change.isAccepted, "\(number): \(change.line): \(reply)")
            if reply.code == .done { done += 1 }
        }
        conversation.close()
        #expect(done > changes / 2, "of \(changes)")
        let report = try wrk.stop()
        #expect(report.socketErrors == 0 && report.badStatuses == 0, "\(report.text)")
        #expect(report.requests > 500, "\(report.text)")

        #expect(try balancer.lbctl("config", "save", "--force").status == 0)
        #expect(try balancer.lbctl("config", "diff").output == "no change\n")
        try lab.write("lbd.yaml", model.yaml)
        #expect(try balancer.lbctl("config", "diff").output == "no change\n", "against the model:\n\(model.yaml)")
        try expectNothingIsLeft(of: balancer, first, idle, resident)
    }

    private func expectNothingIsLeft(of balancer: Balancer, _ first: ConfigurationText, _ idle: Baseline, _ resident: Int) throws {
        try lab.write("lbd.yaml", first.yaml(control: "lbd.sock"))
        let reload = try balancer.lbctl("config", "reload")
        #expect(reload.status == 0, "\(reload)")
        try eventually(within: .seconds(20), "everything that was removed to be gone") {
            let status = try balancer.status()
            return status.pools.map(\.name) == ["web"] && status.listeners.map(\.name) == ["web"] && status.pools[0].backends.count == 2
        }
        try idle.isBack(balancer)
        // The events that are kept have their full number only in the long run.
        let atEnd = try ProcessTable.residentKiB(balancer.process)
        #expect(atEnd <= resident * 11 / 10 + 8192, "\(resident) KiB, then \(atEnd)")
        try ProcessTable.awaitThreads(3, of: balancer.process)
    }
}

/// What should run after the changes so far: a configuration as tables of texts, written out only to be compared.
private struct PredictedConfiguration {
    struct Change {
        let line: String
        let isAccepted: Bool
    }

    private struct Tables: Equatable {
        var top: [String: String] = [:]
        var log: [String: String] = ["level": "debug"]
        var listeners: [String: [String: String]] = [:]
        var pools: [String: [String: String]] = [:]
        var health: [String: [String: String]] = [:]
        var backends: [String: [String: [String: String]]] = [:]
    }

    private var now = Tables()
    private var saved: Tables
    private let addresses: [String: String]

    init(_ text: ConfigurationText, servers: [Nginx]) {
        addresses = Dictionary(uniqueKeysWithValues: servers.map { ($0.name, "\($0.endpoint)") })
        now.listeners["web"] = ["bind": text.listeners[0].bind, "pool": "web"]
        now.pools["web"] = [:]
        now.health["web"] = ["interval": "500ms"]
        now.backends["web"] = Dictionary(uniqueKeysWithValues: text.pools[0].backends.map { ($0.name, ["address": $0.value]) })
        saved = now
    }

    /// The next one by chance; what it will have done is already in the tables.
    mutating func change(_ random: inout SeededRandom) -> Change {
        switch Int.random(in: 0..<10, using: &random) {
        case 0, 1: changeOfBackend(&random)
        case 2, 3: changeOfOption(&random)
        case 4: changeOfAPI(&random)
        case 5: changeOfListener(&random)
        case 6: changeOfFile(&random)
        case 7, 8: wish(&random)
        default: question(&random)
        }
    }

    /// The first two serve all the time: what is asked of the others costs nobody a request.
    private static func spare(_ random: inout SeededRandom) -> String { "w\(Int.random(in: 3...4, using: &random))" }

    private mutating func changeOfBackend(_ random: inout SeededRandom) -> Change {
        let name = PredictedConfiguration.spare(&random), weight = "\(Int.random(in: 1...9, using: &random))"
        let isThere = now.backends["web"]?[name] != nil
        switch Int.random(in: 0..<3, using: &random) {
        case 0:
            let address = addresses[name] ?? ""
            if !isThere { now.backends["web"]?[name] = ["address": address, "weight": weight] }
            return Change(line: "backend add web/\(name) \(address) weight=\(weight)", isAccepted: !isThere)
        case 1:
            if isThere { now.backends["web"]?[name]?["weight"] = weight }
            return Change(line: "backend set web/\(name) weight=\(weight)", isAccepted: isThere)
        default:
            now.backends["web"]?[name] = nil
            return Change(line: "backend remove web/\(name)", isAccepted: isThere)
        }
    }

    private mutating func changeOfOption(_ random: inout SeededRandom) -> Change {
        let count = Int.random(in: 1...9, using: &random)
        let options = [
            ("balance", ["random", "source-hash", "round-robin", "two-choices"].randomElement(using: &random) ?? ""),
            ("idle-timeout", "\(count)m"), ("connect-retries", "\(count % 4 + 1)"), ("slow-start", "\(count)s"), ("splice", "off"),
            ("when-none", "hold"), ("stalled-timeout", "\(count)m"),
        ]
        if count == 1 {
            now.health["web"]?["interval"] = "\(count + 4)00ms"
            return Change(line: "pool set web health.interval=\(count + 4)00ms", isAccepted: true)
        }
        let (key, value) = options[Int.random(in: 0..<options.count, using: &random)]
        now.pools["web"]?[key] = count < 4 ? nil : value
        return Change(line: "pool set web \(key)=\(count < 4 ? "" : value)", isAccepted: true)
    }

    private mutating func changeOfAPI(_ random: inout SeededRandom) -> Change {
        let isThere = now.pools["api"] != nil
        let isNamed = now.listeners["api"]?["pool"] == "api"
        switch Int.random(in: 0..<4, using: &random) {
        case 0:
            if !isThere { (now.pools["api"], now.health["api"], now.backends["api"]) = ([:], ["check": "none"], [:]) }
            return Change(line: "pool add api health.check=none", isAccepted: !isThere)
        case 1:
            if isThere, !isNamed { (now.pools["api"], now.health["api"], now.backends["api"]) = (nil, nil, nil) }
            return Change(line: "pool remove api now=yes", isAccepted: isThere && !isNamed)
        case 2:
            let isNew = isThere && now.backends["api"]?["b"] == nil
            if isNew { now.backends["api"]?["b"] = ["address": addresses["w1"] ?? ""] }
            return Change(line: "backend add api/b \(addresses["w1"] ?? "")", isAccepted: isNew)
        default:
            let isKnown = now.backends["api"]?["b"] != nil
            now.backends["api"]?["b"] = nil
            return Change(line: "backend remove api/b now=yes", isAccepted: isKnown)
        }
    }

    private mutating func changeOfListener(_ random: inout SeededRandom) -> Change {
        let isThere = now.listeners["api"] != nil, hasPool = now.pools["api"] != nil
        let max = "\(Int.random(in: 100...900, using: &random))"
        switch Int.random(in: 0..<4, using: &random) {
        case 0:
            let isAccepted = !isThere && hasPool
            if isAccepted { now.listeners["api"] = ["bind": "127.0.0.1:0", "pool": "api"] }
            return Change(line: "listener add api bind=127.0.0.1:0 pool=api", isAccepted: isAccepted)
        case 1:
            now.listeners["api"] = nil
            return Change(line: "listener remove api", isAccepted: isThere)
        case 2:
            if isThere { now.listeners["api"]?["pool"] = "web" }
            return Change(line: "listener set api pool=web", isAccepted: isThere)
        default:
            now.listeners["web"]?["connections-max"] = max
            return Change(line: "listener set web connections-max=\(max)", isAccepted: true)
        }
    }

    private mutating func changeOfFile(_ random: inout SeededRandom) -> Change {
        switch Int.random(in: 0..<4, using: &random) {
        case 0:
            saved = now
            return Change(line: "config save force=yes", isAccepted: true)
        case 1:
            now = saved
            return Change(line: "config reload", isAccepted: true)
        case 2:
            now.log["level"] = ["debug", "info"].randomElement(using: &random)
            return Change(line: "log level \(now.log["level"] ?? "")", isAccepted: true)
        default:
            now.top["stop-deadline"] = "\(Int.random(in: 1...50, using: &random))s"
            return Change(line: "config set stop-deadline=\(now.top["stop-deadline"] ?? "")", isAccepted: true)
        }
    }

    /// No part of the configuration. A spare that is being removed may be gone already or not: only those that stay are asked.
    private func wish(_ random: inout SeededRandom) -> Change {
        let name = PredictedConfiguration.spare(&random)
        let verb = ["drain", "drain", "undrain", "maintain", "ready"].randomElement(using: &random) ?? ""
        guard now.backends["web"]?[name] != nil else { return Change(line: "probe web/w1 timeout=5s", isAccepted: true) }
        return Change(line: "\(verb) web/\(name)", isAccepted: true)
    }

    private func question(_ random: inout SeededRandom) -> Change {
        let lines = [
            "status", "status web output=json", "explain web/w1", "connections web limit=5", "events output=json", "config show",
            "config diff", "config check", "help", "drain web/nobody", "pool set web balanse=random", "backend set web/w1 weight=0",
        ]
        let line = lines.randomElement(using: &random) ?? ""
        return Change(line: line, isAccepted: !["nobody", "balanse", "weight=0"].contains { line.hasSuffix($0) || line.contains($0 + "=") })
    }

    var yaml: String {
        func flow(_ table: [String: String]) -> String {
            "{ " + table.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }.joined(separator: ", ") + " }"
        }
        var lines = ["control: lbd.sock", "state-directory: run", "workers: 2", "log: \(flow(now.log))"]
        lines += now.top.map { "\($0.key): \($0.value)" }
        lines.append("listeners:")
        lines += now.listeners.map { "  \($0.key): \(flow($0.value))" }
        lines.append("pools:")
        for (name, settings) in now.pools {
            lines += ["  \(name):", "    health: \(flow(now.health[name] ?? [:]))"] + settings.map { "    \($0.key): \($0.value)" }
            let backends = now.backends[name] ?? [:]
            lines.append("    backends:" + (backends.isEmpty ? " {}" : ""))
            lines += backends.map { "      \($0.key): \(flow($0.value))" }
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
