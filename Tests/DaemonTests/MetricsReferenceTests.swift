// What is written about the metrics in Config, held to their declarations. Faults: a metric that nobody can look up; a
// dashboard or an alert that asks for one that is not there, and is silent for ever.
import Foundation
import Testing

@testable import Daemon

struct MetricsReferenceTests {
    private func config(_ name: String) -> URL {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        return tests.deletingLastPathComponent().appendingPathComponent("Config").appendingPathComponent(name)
    }

    private func text(_ name: String) throws -> String { try String(contentsOf: config(name), encoding: .utf8) }

    /// `WRITE_REFERENCE=1 swift test --filter metricsReferenceIsGenerated` writes the file anew.
    @Test("Config/metrics.md is what the declarations say")
    func metricsReferenceIsGenerated() throws {
        if ProcessInfo.processInfo.environment["WRITE_REFERENCE"] != nil { try Data(metricsReference().utf8).write(to: config("metrics.md")) }
        #expect(try text("metrics.md") == metricsReference(), "run it again with WRITE_REFERENCE=1")
    }

    @Test("every metric that the dashboard, the alerts and their tests name is declared", arguments: ["grafana-dashboard.json", "alerts.yaml", "alerts-test.yaml"])
    func namesAreDeclared(_ file: String) throws {
        var declared = Set(Metric.all.filter { $0.kind != .histogram }.map(\.name))
        for metric in Metric.all where metric.kind == .histogram { declared.formUnion(["_bucket", "_sum", "_count"].map { metric.name + $0 }) }
        let named = Set(try text(file).matches(of: /\b(?:lb|process)_[a-z_]+/).map { String($0.output) })
        #expect(named.count > 10)
        for name in named { #expect(declared.contains(name), "\(file) names \(name)") }
    }

    @Test("every alert says what has happened and what to do, and has a test in which it fires")
    func alertsAreTested() throws {
        let tested = Set(try text("alerts-test.yaml").matches(of: /alertname: (\w+)\n +exp_alerts:\n/).map { String($0.1) })
        let rules = try text("alerts.yaml").components(separatedBy: "- alert: ").dropFirst()
        #expect(rules.count >= 10)
        for rule in rules {
            let name = String(rule.prefix { !$0.isNewline })
            #expect(tested.contains(name), "\(name) has no test in which it fires")
            #expect(rule.contains("severity: ") && rule.contains("summary: ") && rule.contains("action: "), "\(name)")
            #expect(rule.contains("lbctl "), "\(name) names no command")
        }
        #expect(tested.count == rules.count)
    }

    private struct Dashboard: Decodable {
        struct Panel: Decodable {
            struct Place: Decodable { let x: Int, y: Int, w: Int, h: Int }
            struct Target: Decodable { let expr: String, refId: String }
            struct Source: Decodable { let type: String, uid: String }
            let id: Int, type: String, title: String, gridPos: Place, targets: [Target]?, datasource: Source?
        }
        struct Templating: Decodable {
            struct Variable: Decodable { let name: String, type: String }
            let list: [Variable]
        }
        let title: String, uid: String, panels: [Panel], templating: Templating
    }

    @Test("the dashboard can be imported as it is: its variables are there, its panels lie side by side")
    func dashboard() throws {
        let dashboard = try JSONDecoder().decode(Dashboard.self, from: Data(try text("grafana-dashboard.json").utf8))
        #expect(dashboard.templating.list.map(\.name) == ["datasource", "instance", "listener", "pool"])
        #expect(dashboard.panels.filter { $0.type == "row" }.map(\.title) == ["Overview", "Pools", "Backends", "Drains and rollouts", "lbd itself"])
        #expect(Set(dashboard.panels.map(\.id)).count == dashboard.panels.count)
        var taken: Set<[Int]> = []
        for panel in dashboard.panels {
            let place = panel.gridPos
            #expect(place.x >= 0 && place.x + place.w <= 24 && !panel.title.isEmpty)
            for x in place.x..<place.x + place.w { for y in place.y..<place.y + place.h { #expect(taken.insert([x, y]).inserted, "\(panel.title) lies on another") } }
            guard panel.type != "row" else { continue }
            #expect(panel.datasource?.uid == "${datasource}")
            let targets = try #require(panel.targets)
            #expect(!targets.isEmpty && Set(targets.map(\.refId)).count == targets.count, "\(panel.title)")
            for variable in targets.flatMap({ $0.expr.matches(of: /\$\w+/).map { String($0.output.dropFirst()) } }) {
                #expect(["instance", "listener", "pool", "__rate_interval"].contains(variable), "\(panel.title): $\(variable)")
            }
        }
    }
}
