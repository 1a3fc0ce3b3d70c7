// The ways of a rollout besides one after the other: waves, a standby pool, several balancers; and what is waited for.
import ControlProtocol
import Glibc
import Model
import SystemCalls
import Testing

@Suite(.lab) struct RolloutManners {
    let lab = Lab.current
    private static let health = "health: { check: connect, interval: 100ms, timeout: 500ms, rise: 2, fall: 2 }"

    private func redis(_ names: [String]) throws -> [Redis] { try names.map { try Redis(lab, $0) } }

    private func balancer(_ servers: [Redis], name: String = "lbd", standby: [Redis] = []) throws -> Balancer {
        var configuration = ConfigurationText(backends: servers.map { ($0.name, "\($0.endpoint)") }, [RolloutManners.health])
        if !standby.isEmpty {
            configuration.pools.append(ConfigurationText.Pool(
                name: "idle", settings: [RolloutManners.health], backends: standby.map { ($0.name, "\($0.endpoint)") }))
            configuration.listeners.append(ConfigurationText.Listener(name: "web-too"))
        }
        configuration.stateDirectory = "run-\(name)"
        let balancer = try Balancer(lab, configuration, name: name)
        try balancer.becomesAvailable()
        return balancer
    }

    private func restart() throws -> String { "\(try Redis.restartScript(lab)) {backend} {port}" }

    @Test("waves of two with at most two out: never more, all are new, and a wave has two out at once")
    func waves() throws {
        let servers = try redis(["web-1", "web-2", "web-3", "web-4"])
        let before = try servers.map { try $0.process() }
        let balancer = try balancer(servers)
        let follower = try EventFollower(balancer, lab)
        // Both have to be out before either goes on.
        let gate = try lab.write("gate", """
            #!/bin/sh
            touch "\(lab.folder)/out-$1"
            while [ "$(ls "\(lab.folder)" | grep -c '^out-')" -lt 2 ] && [ ! -e "\(lab.path("open"))" ]; do sleep 0.02; done
            touch "\(lab.path("open"))"
            exec "\(try Redis.restartScript(lab))" "$@"

            """)
        let end = try balancer.lbctl("rollout", "run", "web", "--restart", "\(gate) {backend} {port}", "--batch", "50%", within: .seconds(60))
        #expect(end.status == 0, "\(end)")
        for (server, old) in zip(servers, before) { #expect(try server.process() != old, "\(server.name) was not restarted") }
        #expect(follower.mostOutAtOnce(of: servers.map { "web/\($0.name)" }) == 2)
    }

    @Test("hot standby: all listeners lead to the other pool while this one is restarted, and back at the end; clients notice nothing")
    func hotStandby() throws {
        let servers = try redis(["web-1", "web-2"])
        let balancer = try balancer(servers, standby: try redis(["idle-1"]))
        let before = try servers.map { try $0.process() }
        let seen = lab.path("seen")
        let script = try lab.write("look", """
            #!/bin/sh
            "\(Installed.product("lbctl"))" --control "\(balancer.control)" status -o json >> "\(seen)"
            exec "\(try Redis.restartScript(lab))" "$@"

            """)
        let arguments = ["rollout", "run", "web", "--restart", "\(script) {backend} {port}", "--strategy", "hot-standby", "--standby", "idle", "--switch-back"]
        let rollout = try balancer.startLbctl(arguments)
        while try rollout.isRunning() {
            for listener in ["web", "web-too"] { #expect(try Redis.ping(at: balancer.endpoint(listener)) == "+PONG\r") }
        }
        let end = try rollout.end()
        #expect(end.status == 0, "\(end)")
        for (server, old) in zip(servers, before) { #expect(try server.process() != old, "\(server.name) was not restarted") }
        let during = String(decoding: try Files.read(seen, bytesMax: 1 << 20), as: UTF8.self)
        #expect(during.contains("\"pool\":\"idle\"") && !during.contains("\"pool\":\"web\""), "\(during)")
        #expect(try balancer.status().listeners.allSatisfy { $0.pool == "web" })
    }

    @Test("hot standby: one that cannot carry the pool's peak is refused, by how much; one that nobody knows of is, with --require-proof")
    func smallStandby() throws {
        let servers = try redis(["web-1", "web-2"])
        let before = try servers.map { try $0.process() }
        let balancer = try balancer(servers, standby: try redis(["idle-1"]))
        let clients = try (0..<6).map { _ in try balancer.connect() }
        try eventually(within: .seconds(20), "the load to be measured") {
            try balancer.command("measure web").data.contains { $0.hasPrefix("(all)") && $0.contains("6, ") }
        }
        let arguments = ["rollout", "run", "web", "--restart", try restart(), "--strategy", "hot-standby", "--standby", "idle"]
        let unknown = try balancer.startLbctl(arguments + ["--require-proof"]).end(within: .seconds(60))
        #expect(unknown.status == 4 && unknown.errors.contains("no capacity known for idle/idle-1"), "\(unknown)")
        #expect(try balancer.lbctl("backend", "set", "idle/idle-1", "capacity.connections=4").status == 0)
        let small = try balancer.startLbctl(arguments).end(within: .seconds(60))
        #expect(small.status == 4 && small.errors.contains("2 connections too many (50 % more than they can)"), "\(small)")
        let stays = try balancer.status().listeners.allSatisfy { $0.pool == "web" }
        let after = try servers.map { try $0.process() }
        #expect(stays && after == before)
        for client in clients { client.close() }
    }

    @Test("two balancers: empty at one is not empty; one that does not answer stops the rollout before anything is restarted")
    func fleet() throws {
        let servers = try redis(["web-1", "web-2"])
        let before = try servers.map { try $0.process() }
        let balancers = try ["east", "west"].map { try balancer(servers, name: $0) }
        let held = try (0..<2).map { _ in try balancers[1].connect() }
        try eventually(within: .seconds(5), "a connection on each backend of west") {
            try balancers[1].status().pools[0].backends.allSatisfy { $0.connections == 1 }
        }
        let command = ["--control", balancers[1].control, "rollout", "run", "web", "--restart", try restart()]
        let rollout = try balancers[0].startLbctl(command)
        try balancers[0].backend("web-1") { $0.availability == .drained }
        try balancers[1].backend("web-1") { $0.availability == .draining }
        #expect(try servers[0].process() == before[0], "restarted while a connection of west was on it")
        for peer in held {
            try peer.send("PING\r\n")
            #expect(try peer.line() == "+PONG\r")
            peer.close()
        }
        let end = try rollout.end(within: .seconds(60))
        #expect(end.status == 0, "\(end)")

        let new = try servers.map { try $0.process() }
        try balancers[1].stop()
        let second = try balancers[0].startLbctl(command).end(within: .seconds(60))
        #expect(second.status == 5, "\(second)")
        #expect(try servers.map { try $0.process() } == new)
        #expect(try balancers[0].status().pools[0].backends.allSatisfy { $0.wish == .ready })
    }

    @Test("one rollout of a pool at a time, also while none of it is drained: the second is refused with 4, and may when the first has ended")
    func oneAtATime() throws {
        let servers = try redis(["web-1", "web-2"])
        let balancer = try balancer(servers)
        let first = try balancer.startLbctl(["rollout", "run", "web", "--canary", "1", "--bake", "5m", "--restart", try restart()])
        try eventually(within: .seconds(20), "the first to watch its canary") {
            try balancer.lbctl("rollout", "status").text.contains("its connections, compared with the others'")
        }
        let new = try servers.map { try $0.process() }
        let second = try balancer.lbctl("rollout", "run", "web", "--restart", try restart())
        #expect(second.status == 4, "\(second)")
        #expect(second.text.contains("pool web is being restarted by another rollout: lbctl rollout status "), "\(second)")
        #expect(try servers.map { try $0.process() } == new)
        #expect(try balancer.lbctl("rollout", "abort").status == 0)
        #expect(try first.end().status == 1)
        let third = try balancer.lbctl("rollout", "run", "web", "--restart", try restart())
        #expect(third.status == 0, "\(third)")
    }

    @Test("status names exactly what is waited for; pause, continue and abort are obeyed")
    func status() throws {
        let servers = try redis(["web-1", "web-2", "web-3"])
        let before = try servers.map { try $0.process() }
        let balancer = try balancer(servers)
        let held = try (0..<3).map { _ in try balancer.connect() }
        try eventually(within: .seconds(5), "a connection on each backend") {
            try balancer.status().pools[0].backends.allSatisfy { $0.connections == 1 }
        }
        let rollout = try balancer.startLbctl(["rollout", "run", "web", "--restart", try restart()])
        try balancer.backend("web-1") { $0.availability == .draining }
        let status = try balancer.lbctl("rollout", "status")
        #expect(status.status == 0, "\(status)")
        #expect(status.text.firstMatch(of: /web\/web-1: 1 connection, oldest [0-9.]+ m?s, 127\.0\.0\.1:[0-9]+/) != nil, "\(status)")
        #expect(try balancer.lbctl("rollout", "pause").status == 0)
        let end = try balancer.lbctl("rollout", "abort")
        #expect(end.status == 0, "\(end)")
        #expect(try rollout.end().status == 1)
        #expect(try balancer.status().pools[0].backends.allSatisfy { $0.wish == .ready && $0.connections == 1 })
        #expect(try servers.map { try $0.process() } == before)
        #expect(held.count == 3)
    }

    @Test("three of four that carry what all do at most: refused with 4 and by how much; what they can carry passes", arguments: [(34, 4), (24, 0)])
    func capacity(connections: Int, status: Int) throws {
        let servers = try redis(["web-1", "web-2", "web-3", "web-4"])
        let limited = servers.map { (name: $0.name, value: "{ address: \($0.endpoint), connections-max: 10 }") }
        let balancer = try Balancer(lab, ConfigurationText(backends: limited, [RolloutManners.health]))
        try balancer.becomesAvailable()
        var held = try (0..<connections).map { _ in try balancer.connect() }
        try eventually(within: .seconds(10), "the connections to be there") {
            try balancer.status().pools[0].backends.reduce(0) { $0 + $1.connections } == connections
        }
        let plan = try balancer.lbctl("rollout", "plan", "web", "--restart", try restart())
        #expect(plan.status == Int32(status) && plan.output.contains(status == 4 ? "4 connections too many" : "proof: without"), "\(plan)")
        if status == 0 { held = [] }
        let end = try balancer.lbctl("rollout", "run", "web", "--restart", try restart(), "--drain-deadline", "20s", within: .seconds(60))
        #expect(end.status == Int32(status), "\(end)")
        if status == 4 { #expect(end.text.contains("4 connections too many"), "\(end)") }
        #expect(held.count == (status == 4 ? connections : 0))
    }
}
