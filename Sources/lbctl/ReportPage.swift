// A rollout as one page of HTML: self-contained, readable without scripts, from its journal alone.
import ControlProtocol
import Model
import Orchestrator
import Rollout

struct ReportPage {
    private let reading: RolloutReading
    private let report: RolloutReport
    private var history: RolloutHistory { reading.history }

    init(_ reading: RolloutReading) {
        self.reading = reading
        report = reading.report
    }

    var html: String {
        let title = "Rollout \(report.id)"
        return """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>\(HTMLText.escaped(title))</title>
            <style>
            \(ReportStyle.css)
            </style>
            </head>
            <body>
            \(GanttPicture.patterns)
            <header>
            <h1>\(HTMLText.escaped(title))</h1>
            <div>pool <strong>\(HTMLText.escaped(report.pool))</strong>, \(counted(report.steps, "backend"))</div>
            </header>
            <main>
            \(verdict)
            \(facts)
            \(failures)
            <h2>Steps over time</h2>
            <div class="scroll">\(GanttPicture.svg(history))</div>
            <h2>Backends</h2>
            \(backends)
            <h2>Connections</h2>
            <p>As they were seen on the way; shaded while no new connections went there.</p>
            <div class="scroll">\(ConnectionsPicture.svg(history))</div>
            \(proof)
            <h2>What happened</h2>
            \(story)
            </main>
            \(footer)
            </body>
            </html>

            """
    }

    /// A sign and a word beside the colour.
    private var verdict: String {
        let (kind, sign, text): (String, String, String) = switch report.state {
        case .done: ("good", "✓", "Done: \(report.stepsDone) of \(report.steps) backends restarted")
        case .stopped: ("bad", "✗", "Stopped: \(report.reason ?? "no reason is given"); \(report.stepsDone) of \(report.steps) backends restarted")
        case .running, .paused, .stopping: ("warn", "…", "Not at its end (\(report.state.rawValue)): \(report.stepsDone) of \(report.steps) backends restarted")
        case .abandoned: ("bad", "✗", "Not ended, and no process carries it out: \(report.stepsDone) of \(report.steps) backends restarted")
        }
        return "<p class=\"verdict \(kind)\"><span aria-hidden=\"true\">\(sign)</span> \(HTMLText.escaped(text))</p>"
    }

    private var facts: String {
        var rows = [
            ("Began", report.startedAt), ("Took", Duration.milliseconds(Int64(report.elapsed * 1000)).spoken), ("Drains owned by", history.begin.owner),
            (history.begin.balancers.count == 1 ? "Balancer" : "Balancers", history.begin.balancers.joined(separator: ", ")),
            ("Called as", history.begin.commandLine.map(\.shellQuoted).joined(separator: " ")), ("Sluice", history.begin.version),
        ]
        if history.processes > 1 { rows.append(("Processes", "\(history.processes): it was resumed \(history.processes - 1) times")) }
        if let warning = reading.warning { rows.append(("Warning", warning)) }
        return "<dl>\n" + rows.map { "<dt>\(HTMLText.escaped($0.0))</dt><dd>\(HTMLText.escaped($0.1))</dd>" }.joined(separator: "\n") + "\n</dl>"
    }

    private var failures: String {
        guard !history.failures.isEmpty else { return "" }
        let items = history.failures.map { entry in
            "<li>✗ +\(HTMLText.escaped(entry.elapsed.spoken)) \(entry.backend.map { "<strong>\(HTMLText.escaped($0))</strong> " } ?? "")\(HTMLText.escaped(entry.text))</li>"
        }
        return "<h2>Failures</h2>\n<ul class=\"failures\">\n\(items.joined(separator: "\n"))\n</ul>"
    }

    private var backends: String {
        let rows = history.nodes.map { node in
            let times = [RolloutHistory.Span.Phase.drain, .restart, .ready, .warm].map { node.time(in: $0).map(\.spoken) ?? "" }
            return [node.backend, node.address, node.fate.word] + times + [node.counts.map(\.connections).max().map(String.init) ?? "", node.fate.detail ?? ""]
        }
        return HTMLText.table(["Backend", "Address", "State", "Drain", "Restart", "Probes", "Warm up", "Most connections", ""], rows, kind: "backends")
    }

    private var proof: String {
        guard !history.begin.proof.isEmpty else { return "" }
        return "<h2>What was proved and predicted before it began</h2>\n<pre>\(HTMLText.escaped(history.begin.proof.joined(separator: "\n")))</pre>"
    }

    private var story: String {
        // What was proved has a place of its own.
        let rows = history.entries.filter { $0.sequence > 0 || !history.begin.proof.contains($0.text) }.map { entry in
            ["\(entry.sequence)", String(entry.at.rfc3339.dropFirst(11).prefix(8)), "+" + entry.elapsed.spoken, entry.backend ?? "", mark(entry.weight) + entry.text]
        }
        return HTMLText.table(["Record", "UTC", "Since the beginning", "Backend", "What"], rows, kind: "story")
    }

    private func mark(_ weight: RolloutHistory.Weight) -> String {
        switch weight {
        case .plain: ""
        case .warning: "! "
        case .failure: "✗ "
        }
    }

    private var footer: String {
        """
        <footer>From \(HTMLText.escaped(reading.folder.journal)), record \(report.lastRecord) at \(HTMLText.escaped(report.lastRecordAt)).
        To have its promises proved from the journal: <code>lbctl rollout verify \(HTMLText.escaped(report.id))</code></footer>
        """
    }
}

extension RolloutHistory.Node {
    /// Nil where it was never in that phase.
    fileprivate func time(in phase: RolloutHistory.Span.Phase) -> Duration? {
        let spans = spans.filter { $0.phase == phase }
        return spans.isEmpty ? nil : spans.reduce(.zero) { $0 + (($1.to ?? $1.from) - $1.from) }
    }
}
