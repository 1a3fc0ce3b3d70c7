// A changed health check is tried before it judges. Fault: a wrong word in one option takes a whole pool down.
import ControlProtocol
import Foundation
import Model
import Testing

@Suite(.lab) struct HealthTrials {
    let lab = Lab.current
    private let balancer: Balancer

    init() throws {
        let lab = Lab.current
        let servers = try ["web-1", "web-2"].map { ($0, try TestServer.named($0, lab)) }
        balancer = try Balancer(lab, ConfigurationText(servers, ["health: { check: connect, interval: 100ms, rise: 1, fall: 2 }"]))
        try balancer.becomesAvailable()
    }

    private func set(_ words: String...) throws -> ProgramEnd {
        try balancer.startLbctl(["pool", "set", "web"] + words).end()
    }

    @Test("one that no backend passes is refused with 4 and changes nothing; --force makes the change")
    func refused() throws {
        let before = try balancer.status().generation
        let end = try set("health.check=banner", "health.expect=220")
        #expect(end.status == 4 && end.errors.contains("pool web is not changed: its new health check fails at each backend that is up"), "\(end)")
        #expect(end.errors.contains("web/web-1: banner: ") && end.errors.contains("--force"), "\(end)")
        #expect(try balancer.lbctl("config", "diff").output == "no change\n")
        #expect(try balancer.status().generation == before && balancer.backend("web-2").availability == .available)
        #expect(try set("health.check=banner", "health.expect=220", "--force").status == 0)
        for name in ["web-1", "web-2"] { try balancer.backend(name, within: .seconds(30)) { $0.availability == .down } }
        // Where none is up there is nothing to lose.
        #expect(try set("health.expect=221").status == 0)
    }

    @Test("a reload tries nothing, and says what to watch")
    func reloaded() throws {
        let text = try String(contentsOfFile: lab.path("lbd.yaml"), encoding: .utf8)
        try lab.write("lbd.yaml", text.replacing("fall: 2", with: "fall: 3"))
        let end = try balancer.lbctl("config", "reload")
        #expect(end.status == 0 && end.errors.contains("warning: pool web is judged by other health options now"), "\(end)")
    }

    @Test("one that has more time than the trial is not called wrong for it")
    func slow() throws {
        #expect(try set("health.timeout=30s").status == 0)
        let end = try set("health.check=command", #"health.command=[sleep, "15"]"#)
        #expect(end.status == 0, "\(end)")
    }

    @Test("what another command changes during the trial is tried too")
    func meanwhile() throws {
        #expect(try set("health.timeout=20s").status == 0)
        let mark = lab.path("begun")
        let slow = try balancer.startLbctl(["pool", "set", "web", "health.check=command", "health.command=[sh, -c, 'touch \(mark); sleep 2']"])
        try eventually(within: .seconds(20), "the trial to be under way") { FileManager.default.fileExists(atPath: mark) }
        #expect(try set("health.timeout=200ms").status == 0)
        let end = try slow.end()
        #expect(end.status == 4 && end.errors.contains("not done within 200 ms"), "\(end)")
        #expect(try balancer.backend("web-1").availability == .available)
    }

    @Test("one that some backend passes is made, and so is what asks nothing new")
    func made() throws {
        #expect(try set("health.check=banner", "health.expect=web-1").status == 0)
        try balancer.backend("web-2", within: .seconds(30)) { $0.availability == .down }
        #expect(try balancer.backend("web-1").availability == .available)
        #expect(try set("health.interval=200ms", "health.fall=3").status == 0)
        #expect(try balancer.command("pool set web health.expect=web-3").code == .refused)
        #expect(try balancer.command("pool set web health.expect=web-3 force=yes").code == .done)
    }
}
