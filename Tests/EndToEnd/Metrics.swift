// /metrics of a real lbd, judged by the distribution's own readers while everything changes. Faults: a text that is
// refused as a whole because of one line; a total that goes down; numbers that do not agree with one another or with
// lbctl; rules and panels that ask for what is not there.
import ControlProtocol
import Foundation
import Glibc
import Model
import SystemCalls
import TestSupport
import Testing

@Suite(.lab) struct Metrics {
    let lab = Lab.current

    private func balancer(_ servers: [TestServer], _ settings: [String] = []) throws -> (Balancer, ConfigurationText) {
        var text = ConfigurationText(servers.enumerated().map { ("web-\($0 + 1)", $1) }, settings)
        text.settings = ["admin: 127.0.0.1:0"]
        return (try Balancer(lab, text), text)
    }

    /// Backends come, move and go, are drained and brought back; now and then the file is reloaded.
    private func change(_ balancer: Balancer, _ round: Int, _ servers: [TestServer]) throws {
        let command = switch round % 10 {
        case 0: "backend add web/extra address=\(servers[round / 10 % 3].endpoint)"
        case 1: "drain web/web-1 owner=ann reason=disk lease=10m deadline=5m"
        case 2: "backend set web/extra address=\(servers[(round / 10 + 1) % 3].endpoint)"
        case 3: "backend remove web/extra"
        case 4: "undrain web/web-1 owner=ann"
        case 5: "pool add other backends.other-1=\(servers[0].endpoint)"
        case 6: "listener add other bind=127.0.0.1:0 pool=other"
        case 7: "maintain web/web-3 owner=ann"
        case 8: "ready web/web-3 owner=ann"
        default: "config reload"
        }
        let reply = try balancer.command(command)
        #expect(reply.code == .done, "\(command): \(reply)")
    }

    private struct Totals {
        private var last: [String: Double] = [:]

        mutating func look(at metrics: Exposition, _ scrape: Int) {
            for family in metrics.families where family.type == "counter" || family.type == "histogram" {
                for sample in family.samples {
                    let before = last.updateValue(sample.value, forKey: sample.series) ?? 0
                    #expect(sample.value >= before, "\(sample.series) went from \(before) to \(sample.value) in scrape \(scrape)")
                }
            }
        }
    }

    @Test("promtool and Python's OpenMetrics parser accept 100 scrapes during churn under traffic, and no total goes down")
    func churn() throws {
        let servers = try (1...3).map { try TestServer.named("web-\($0)", lab) }
        let (balancer, _) = try balancer(servers)
        let visitors = Visitors(lab, to: try balancer.endpoint(), perSecond: 200)
        let extra = try (1...3).map { try TestServer.named("extra-\($0)", lab) }
        // Each form has a text of its own, good for a moment: a monitoring system asks for one.
        var totals = [false: Totals(), true: Totals()]
        let scrapes = Scale.of(100, full: 1000)
        for scrape in 0..<scrapes {
            try change(balancer, scrape, extra)
            let isOpenMetrics = scrape % 2 == 1
            let text = try balancer.metricsText(isOpenMetrics: isOpenMetrics)
            totals[isOpenMetrics]?.look(at: try Exposition(text, isOpenMetrics: isOpenMetrics), scrape)
            guard scrape % 8 < 2 else { continue }
            let verdict = try isOpenMetrics ? MetricsJudges.openMetrics(text, lab) : MetricsJudges.promtool(text, lab)
            #expect(verdict == "", "scrape \(scrape)")
        }
        let report = try visitors.stop()
        #expect(report.failed == 0 && !report.visits.isEmpty)
        try sumsAgree(balancer)
    }

    /// With quiet traffic.
    private func sumsAgree(_ balancer: Balancer) throws {
        let status = try eventually(within: .seconds(20), "all connections to have ended") { try balancer.status().connections == 0 ? try balancer.status() : nil }
        let listeners = status.listeners.reduce(0) { $0 + $1.connectionsTotal }
        // One text is good for a quarter of a second: the first may be older than the quiet.
        let metrics = try eventually(within: .seconds(10), "the metrics to have \(listeners) connections, all ended") {
            let metrics = try balancer.metrics()
            let isQuiet = metrics.sum("lb_listener_connections_total") == Double(listeners) && metrics.sum("lb_listener_connections") == 0
            return isQuiet && metrics.sum("lb_connections_ended_total") == Double(listeners) ? metrics : nil
        }
        #expect(metrics.sum("lb_backend_connections") == 0)
        // A backend that was removed has taken its series along; the pool's times have them all.
        #expect(metrics.sum("lb_connection_duration_seconds_count") + metrics.sum("lb_listener_refused_total") == Double(listeners))
        #expect(metrics.sum("lb_backend_connect_seconds_count") == metrics.sum("lb_connection_duration_seconds_count"))
    }

    @Test("the judges refuse what is wrong: one that accepts everything would prove nothing")
    func judgesJudge() throws {
        let text = "# HELP a_total A.\n# TYPE a_total counter\na_total{b=\"1\"} 1\n"
        #expect(try MetricsJudges.promtool(text, lab) == "")
        #expect(try MetricsJudges.promtool(text + "a_total{b=\"2} 1\n", lab) != "")
        #expect(try MetricsJudges.promtool(text + "# TYPE a_total counter\n", lab) != "")
        let open = "# TYPE a counter\n# HELP a A.\na_total 1\n"
        #expect(try MetricsJudges.openMetrics(open + "# EOF\n", lab) == "")
        #expect(try MetricsJudges.openMetrics(open, lab) != "")
        #expect(try MetricsJudges.openMetrics(open + "# TYPE a_total gauge\n# HELP a_total A.\na_total 1\n# EOF\n", lab) != "")
    }

    @Test("what has happened is told: failed connects by reason, drains with their times, a failed reload, what nobody saved")
    func tells() throws {
        let servers = try (1...2).map { try TestServer.named("web-\($0)", lab) }
        let closed = try ClosedPort()
        let (balancer, text) = try balancer(servers)
        #expect(try balancer.command("backend add web/web-9 \(closed.endpoint)").code == .done)
        #expect(try balancer.command("drain web/web-1 owner=ann deadline=5m").code == .done)
        let held = try (0..<6).map { _ in try balancer.connect() }
        for peer in held { #expect(try peer.line() == "web-2") }
        try lab.write("lbd.yaml", text.yaml(control: "lbd.sock") + "nonsense: 1\n")
        #expect(try balancer.command("config reload").code != .done)
        let metrics = try eventually(within: .seconds(10), "a failed connect") {
            let metrics = try balancer.metrics()
            return metrics.sum("lb_backend_connect_failures_total", where: ["backend": "web-9", "reason": "refused"]) > 0 ? metrics : nil
        }
        #expect(metrics.sum("lb_backend_connect_failures_total", where: ["backend": "web-2"]) == 0)
        let started = try #require(metrics.value("lb_backend_drain_started_timestamp_seconds", ["pool": "web", "backend": "web-1"]))
        #expect(abs(started - Date().timeIntervalSince1970) < 120)
        #expect(metrics.value("lb_backend_drain_deadline_timestamp_seconds", ["pool": "web", "backend": "web-1"]).map { abs($0 - started - 300) < 1 } == true)
        #expect(metrics.value("lb_backend_availability", ["pool": "web", "backend": "web-1", "state": "drained"]) == 1)
        #expect(metrics.value("lb_config_last_reload_successful") == 0)
        #expect(metrics.value("lb_unsaved_changes") == 1)
        #expect(metrics.value("lb_pool_eligible_backends", ["pool": "web"]) == 2)
        #expect(metrics.value("process_open_fds").map { $0 > 5 } == true)
        #expect(metrics.value("process_resident_memory_bytes").map { $0 > 1_000_000 } == true)
    }

    @Test("promtool accepts the rules, the rules pass their tests, and every panel's question is one that Prometheus understands")
    func rules() throws {
        let config = Installed.packageRoot + "/Config"
        let promtool = try Installed.program("promtool")
        try lab.run([promtool, "check", "rules", "--lint-fatal", "\(config)/alerts.yaml"]).succeeded()
        let tests = try lab.run([promtool, "test", "rules", "\(config)/alerts-test.yaml"], within: .seconds(60)).succeeded()
        #expect(tests.text.contains("SUCCESS"), "\(tests)")
        let dashboard = try String(contentsOfFile: "\(config)/grafana-dashboard.json", encoding: .utf8)
        let questions = dashboard.matches(of: /"expr": ("(?:[^"\\]|\\.)*")/).map { match in
            String(match.1).replacing("$__rate_interval", with: "5m").replacing(/\$\w+/, with: ".*")
        }
        #expect(questions.count > 40)
        // As recording rules; a text in JSON's quotes is one in YAML's.
        let rules = questions.enumerated().map { "  - { record: \"panel:\($0)\", expr: \($1) }\n" }.joined()
        let file = try lab.write("panels.yaml", "groups:\n- name: panels\n  rules:\n\(rules)")
        try lab.run([promtool, "check", "rules", file]).succeeded()
    }
}
