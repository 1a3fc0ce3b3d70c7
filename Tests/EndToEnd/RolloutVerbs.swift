// A rollout seen and ordered from another terminal, killed, told from its journal, and proved from it.
import ControlProtocol
import Foundation
import Glibc
import Model
import Testing

@Suite(.lab) struct RolloutVerbs {
    let lab = Lab.current
    private let servers: [Redis]
    private static let health = "health: { check: connect, interval: 100ms, timeout: 500ms, rise: 2, fall: 2 }"

    init() throws {
        let lab = Lab.current
        servers = try ["web-1", "web-2"].map { try Redis(lab, $0) }
    }

    @Test("status names who holds the node in hand; pause, continue and abort from another terminal are obeyed")
    func orders() throws {
        let balancer = try balancer()
        let peers = try (0..<2).map { _ in try balancer.connect() }
        try balancer.backend("web-1") { $0.connections == 1 }
        let before = try processes()
        let rollout = try balancer.startLbctl(["rollout", "run", "web", "--restart", "\(try Redis.restartScript(lab)) {backend} {port}"])
        try balancer.backend("web-1") { $0.availability == .draining }
        let report = try status(balancer)
        #expect(report.state == .running && report.process == rollout.process)
        #expect(report.waitingFor.first?.hasPrefix("web/web-1: 1 connection, oldest ") == true, "\(report.waitingFor)")
        #expect(report.waitingFor.first?.contains("127.0.0.1:") == true, "whose connection it is: \(report.waitingFor)")
        #expect((report.deadline ?? 0) > 60)
        #expect(try balancer.lbctl("rollout", "pause").status == 0)
        try eventually(within: .seconds(10), "the rollout to be paused") { try status(balancer).state == .paused }
        #expect(try balancer.lbctl("rollout", "pause").output.contains("paused already"))
        // What is in hand is finished; the next is not begun.
        for peer in peers { peer.close() }
        try eventually(within: .seconds(20), "the first step to be done") { try status(balancer).stepsDone == 1 }
        #expect(try servers[1].process() == before[1])
        #expect(try balancer.lbctl("rollout", "continue").status == 0)
        let end = try rollout.end(within: .seconds(20))
        #expect(end.status == 0, "\(end)")
        let late = try balancer.lbctl("rollout", "abort")
        #expect(late.status == 1 && late.text.contains("has ended"), "\(late)")
    }

    @Test("abort undoes the drain in hand; list, show and report tell it afterwards")
    func abort() throws {
        let balancer = try balancer()
        let peers = try (0..<2).map { _ in try balancer.connect() }
        try balancer.backend("web-1") { $0.connections == 1 }
        let before = try processes()
        let rollout = try balancer.startLbctl(["rollout", "run", "web", "--restart", "\(try Redis.restartScript(lab)) {backend} {port}"])
        try balancer.backend("web-1") { $0.availability == .draining }
        #expect(try balancer.lbctl("rollout", "abort").status == 0)
        #expect(try rollout.end(within: .seconds(20)).status == 1)
        #expect(try processes() == before)
        #expect(try balancer.status().pools[0].backends.allSatisfy { $0.wish == .ready })
        let list = try balancer.lbctl("rollout", "list")
        #expect(list.output.contains("stopped"), "\(list)")
        let show = try balancer.lbctl("rollout", "show")
        #expect(show.output.contains("abort requested") && show.output.contains("web/web-1"), "\(show)")
        let page = try balancer.lbctl("rollout", "report", "--html", "-")
        expectSelfContained(page.output)
        #expect(page.output.contains("✗") && page.output.contains("Stopped"), "the verdict is told by more than a colour")
        let unknown = try balancer.lbctl("rollout", "show", "nosuch")
        #expect(unknown.status == 1 && unknown.text.contains("the last one is"), "\(unknown)")
        #expect(peers.count == 2)
    }

    @Test("killed within a restart: said so, the command goes on, and resume ends it with each node restarted once; then it is proved")
    func killed() throws {
        let balancer = try balancer()
        let goOn = lab.path("go-on"), runs = lab.path("runs")
        let script = try lab.write("restart-slowly", """
            #!/bin/sh
            echo "$1" >> "\(runs)"
            while [ ! -e "\(goOn)" ]; do sleep 0.02; done
            exec "\(try Redis.restartScript(lab))" "$@"

            """)
        let rollout = try balancer.startLbctl(["rollout", "run", "web", "--restart", "\(script) {backend} {port}"])
        try eventually(within: .seconds(20), "the restart command to run") { access(runs, F_OK) == 0 }
        try rollout.signal(SIGKILL)
        try rollout.end()
        let dead = try balancer.lbctl("rollout", "status")
        #expect(dead.status == 1, "\(dead)")
        #expect(dead.output.contains("not running any more") && dead.output.contains(" ago, at ") && dead.output.contains("lbctl rollout resume "), "\(dead)")
        #expect(try balancer.lbctl("rollout", "pause").status == 5)
        let second = try balancer.lbctl("rollout", "plan", "web", "--restart", "true")
        #expect(second.status == 4 && second.output.contains("no process carries out any more: lbctl rollout resume "), "\(second)")
        #expect(!second.output.contains("lbctl undrain"), "\(second)")
        try lab.write("go-on", "")
        let end = try balancer.lbctl("rollout", "resume")
        #expect(end.status == 0, "\(end)")
        #expect(try String(contentsOfFile: runs, encoding: .utf8) == "web-1\nweb-2\n")
        let verified = try balancer.lbctl("rollout", "verify", try balancer.lbctl("rollout", "list").output.id)
        #expect(verified.status == 0, "\(verified)")
        #expect(verified.output.contains("2 restarts") && verified.output.contains("resumed 1 times"), "\(verified)")
    }

    /// Fault: whoever resumed from another folder had a relative command that was not there, which counted as a node that is
    /// broken: a healthy one stayed out.
    @Test("killed within a restart whose command is relative: resume from another folder finds it")
    func resumedElsewhere() throws {
        let balancer = try balancer()
        let goOn = lab.path("go-on"), runs = lab.path("runs")
        _ = try lab.write("restart-slowly", """
            #!/bin/sh
            echo "$1" >> "\(runs)"
            while [ ! -e "\(goOn)" ]; do sleep 0.02; done
            exec "\(try Redis.restartScript(lab))" "$@"

            """)
        let rollout = try balancer.startLbctl(
            ["rollout", "run", "web", "--restart", "./restart-slowly {backend} {port}"], prelude: "cd '\(lab.folder)'")
        try eventually(within: .seconds(20), "the restart command to run") { access(runs, F_OK) == 0 }
        try rollout.signal(SIGKILL)
        try rollout.end()
        try lab.write("go-on", "")
        let end = try balancer.startLbctl(["rollout", "resume"], prelude: "cd /").end(within: .seconds(30))
        #expect(end.status == 0, "\(end)")
        #expect(try String(contentsOfFile: runs, encoding: .utf8) == "web-1\nweb-2\n")
    }

    /// Guards against a question that fails at the second node, when the first is restarted already.
    @Test("a version command that fails at one node: plan and run refuse with 4 and name it, nothing was drained; --skip goes on without it")
    func versionFails() throws {
        let ask = try lab.write("ask", "#!/bin/sh\n[ \"$1\" = web-2 ] && { echo no such host >&2; exit 9; }\ncat /proc/sys/kernel/random/uuid\n")
        let restart = try Redis.restartScript(lab)
        let balancer = try balancer(["restart: { command: [\"\(restart)\", \"{backend}\", \"{port}\"], version: [\"\(ask)\", \"{backend}\"] }"])
        let before = try processes(), drains = try balancer.status().pools[0].backends.map(\.wish)
        for verb in ["plan", "run"] {
            let end = try balancer.lbctl("rollout", verb, "web")
            #expect(end.status == 4, "\(verb): \(end)")
            #expect(end.text.contains("web/web-2 cannot be asked for its release: exit status 9: no such host"), "\(verb): \(end)")
        }
        #expect(try processes() == before)
        #expect(try balancer.status().pools[0].backends.map(\.wish) == drains)
        let end = try balancer.lbctl("rollout", "run", "web", "--skip", "web-2")
        #expect(end.status == 0, "\(end)")
        let after = try processes()
        #expect(after[0] != before[0] && after[1] == before[1])
        #expect(try balancer.lbctl("rollout", "show").output.contains("not chosen, so not restarted: web/web-2"))
    }

    @Test("--only and --from restart the rest of a pool; a name that is none of it, or of another pool, is told")
    func some() throws {
        let balancer = try balancer()
        let restart = "\(try Redis.restartScript(lab)) {backend} {port}"
        let before = try processes()
        for (words, status, text) in [
            (["--only", "web-3"], 1, "there is no backend web/web-3; did you mean 'web-1'?"), (["--only", "api/web-1"], 64, "none of pool web"),
            (["--only", "web-1", "--from", "web-1"], 64, "give one of them"), (["--skip", "web-1,web-2"], 4, "nothing to restart"),
        ] as [([String], Int32, String)] {
            let end = try balancer.startLbctl(["rollout", "run", "web", "--restart", restart] + words).end()
            #expect(end.status == status && end.text.contains(text), "\(words): \(end)")
        }
        #expect(try processes() == before)
        let plan = try balancer.lbctl("rollout", "plan", "web", "--restart", restart, "--from", "web-2")
        #expect(plan.status == 0 && plan.output.contains("not chosen: web/web-1 is left as it is; the proof counts it"), "\(plan)")
        let end = try balancer.lbctl("rollout", "run", "web", "--restart", restart, "--only", "web/web-2")
        #expect(end.status == 0, "\(end)")
        let after = try processes()
        #expect(after[0] == before[0] && after[1] != before[1])
    }

    @Test("a forged or truncated journal is not proved, and the line is named")
    func forged() throws {
        let balancer = try balancer()
        #expect(try balancer.lbctl("rollout", "run", "web", "--restart", "\(try Redis.restartScript(lab)) {backend} {port}").status == 0)
        let id = try balancer.lbctl("rollout", "list").output.id
        let path = lab.path("state/sluice/rollouts/\(id)/journal.jsonl")
        let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map(String.init)
        let drained = try #require(lines.firstIndex { $0.contains("\"drained\"") })
        for (name, forged, line) in [
            ("altered", lines.enumerated().map { $0.offset == drained ? $0.element.replacing("web-1", with: "web-2") : $0.element }, drained + 1),
            ("cut out", lines.enumerated().filter { $0.offset != drained }.map(\.element), drained + 1),
            ("truncated", Array(lines.dropLast()), lines.count),
        ] {
            let file = try lab.write("\(name).jsonl", forged.joined(separator: "\n") + "\n")
            let end = try balancer.lbctl("rollout", "verify", file)
            #expect(end.status == 1, "\(name): \(end)")
            #expect(end.output.contains("line \(line): ") || end.output.contains("line \(line + 1): "), "\(name), line \(line): \(end)")
        }
        #expect(try balancer.lbctl("rollout", "verify", path).status == 0)
    }

    @Test("restarted by hand: it waits for the person, says for what, and goes on at 'done'")
    func byHand() throws {
        let balancer = try balancer(["restart: { pause: \"restart {backend} at {address}\" }"])
        let rollout = try balancer.startLbctl(["rollout", "run", "web"])
        let script = try Redis.restartScript(lab)
        for server in servers {
            try eventually(within: .seconds(20), "it to wait for a person") {
                try statusIfAny(balancer)?.waitingFor.contains { $0.contains("web/\(server.name): a person: restart \(server.name) at 127.0.0.1:") } == true
            }
            #expect(try lab.run([script, server.name, "\(server.endpoint.port ?? 0)"]).status == 0)
            let done = try balancer.lbctl("rollout", "done")
            #expect(done.status == 0, "\(done)")
        }
        let end = try rollout.end(within: .seconds(20))
        #expect(end.status == 0, "\(end)")
    }

    @Test("killed while a person restarts: resume waits for that person; the end of a pause is no word about it")
    func byHandAndKilled() throws {
        let balancer = try balancer(["restart: { pause: \"restart {backend}\" }"])
        let rollout = try balancer.startLbctl(["rollout", "run", "web"])
        try waitsForPerson(balancer, "web-1")
        #expect(try balancer.lbctl("rollout", "pause").status == 0)
        try eventually(within: .seconds(10), "the rollout to be paused") { try status(balancer).state == .paused }
        #expect(try balancer.lbctl("rollout", "continue").output.contains("it goes on"))
        try rollout.signal(SIGKILL)
        try rollout.end()
        let resumed = try balancer.startLbctl(["rollout", "resume"])
        let script = try Redis.restartScript(lab)
        for server in servers {
            try waitsForPerson(balancer, server.name)
            #expect(try lab.run([script, server.name, "\(server.endpoint.port ?? 0)"]).status == 0)
            let done = try balancer.lbctl("rollout", "done")
            #expect(done.status == 0, "\(done)")
        }
        let end = try resumed.end(within: .seconds(20))
        #expect(end.status == 0, "\(end)")
    }

    private func waitsForPerson(_ balancer: Balancer, _ name: String) throws {
        try eventually(within: .seconds(20), "it to wait for a person") {
            guard let report = try statusIfAny(balancer), report.process != nil else { return false }
            return report.waitingFor.contains { $0.contains("web/\(name): a person: restart \(name)") }
        }
    }

    @Test("by systemctl: its failure is told with the unit's status")
    func systemd() throws {
        try lab.write("bin/systemctl", """
            #!/bin/sh
            echo "$*" >> "\(lab.path("calls"))"
            case "$*" in *status*) echo "web-1.service: Main process exited, code=exited, status=203/EXEC"; exit 3;; esac
            exit 1

            """)
        let balancer = try balancer(["restart: { systemd: \"{backend}.service\", host: \"root@{host}\" }"])
        let end = try balancer.startLbctl(["rollout", "run", "web"], prelude: "export PATH=\(lab.path("bin")):$PATH").end()
        #expect(end.status == 1, "\(end)")
        #expect(end.text.contains("status=203/EXEC"), "\(end)")
        let calls = try String(contentsOfFile: lab.path("calls"), encoding: .utf8).split(separator: "\n")
        #expect(calls.first == "--no-ask-password --host=root@127.0.0.1 restart -- web-1.service", "\(calls)")
    }

    @Test("no room for the journal: it stops before it acts, says so, and nothing was restarted")
    func noRoom() throws {
        let balancer = try balancer()
        let before = try processes()
        let end = try balancer.startLbctl(
            ["rollout", "run", "web", "--restart", "\(try Redis.restartScript(lab)) {backend} {port}"], prelude: "ulimit -f 2").end()
        #expect(end.status == 1, "\(end)")
        #expect(end.text.contains("the journal cannot be written"), "\(end)")
        #expect(try processes() == before)
    }

    // MARK: The pool

    private func balancer(_ settings: [String] = []) throws -> Balancer {
        let balancer = try Balancer(lab, ConfigurationText(
            backends: servers.map { ($0.name, "\($0.endpoint)") }, [RolloutVerbs.health] + settings))
        try balancer.becomesAvailable()
        return balancer
    }

    private func processes() throws -> [pid_t] { try servers.map { try $0.process() } }

    private func status(_ balancer: Balancer) throws -> RolloutReport {
        guard let report = try statusIfAny(balancer) else { throw HarnessError("there is no rollout") }
        return report
    }

    /// Nil: none has begun.
    private func statusIfAny(_ balancer: Balancer) throws -> RolloutReport? {
        let end = try balancer.lbctl("rollout", "status", "-o", "json")
        guard !end.output.isEmpty else { return nil }
        return try JSONDecoder().decode(RolloutReport.self, from: Data(end.output.utf8))
    }

    /// Nothing that a browser would fetch, no script.
    private func expectSelfContained(_ page: String) {
        for mark in ["<script", "http://", "https://", "src=", "@import", "<link", "url(//"] {
            #expect(!page.contains(mark), "the page holds \(mark)")
        }
        #expect(page.hasPrefix("<!DOCTYPE html>") && page.contains("<svg") && page.contains("prefers-color-scheme"))
    }
}

extension String {
    /// The first rollout of a list.
    fileprivate var id: String { split(separator: "\n").dropFirst().first?.split(separator: " ").first.map(String.init) ?? "" }
}
