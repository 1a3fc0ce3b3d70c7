// The steps of a rollout as a picture: a row a backend, a bar a phase, told apart by letter and pattern as well as by colour.
import ControlProtocol
import Model
import Rollout

enum GanttPicture {
    private static let rowHeight = 30.0
    private static let barHeight = 20.0
    private static let top = 8.0
    private static let left = 150.0
    private static let width = 820.0

    static func svg(_ history: RolloutHistory) -> String {
        let axis = TimeAxis(left: left, width: width, lasting: history.elapsed)
        let bottom = top + rowHeight * Double(max(1, history.nodes.count))
        let rows = history.nodes.enumerated().map { row($0.element, top + rowHeight * Double($0.offset), axis, history.elapsed) }
        return """
            <svg class="picture" viewBox="0 0 1000 \(HTMLText.number(bottom + 24))" role="img" aria-labelledby="gantt-title">
            <title id="gantt-title">Steps over time, one row for each of \(counted(history.nodes.count, "backend")); the same as numbers in the table below</title>
            \(axis.grid(top: top, bottom: bottom))
            \(rows.joined(separator: "\n"))
            </svg>
            \(legend)
            """
    }

    /// Its patterns are defined once a page.
    static let patterns: String = {
        let lines = RolloutHistory.Span.Phase.allCases.map { phase in
            """
            <pattern id="\(id(phase))" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(\(angle(phase)))">\
            <rect class="\(phase.rawValue)" width="8" height="8"/>\(mark(phase))</pattern>
            """
        }
        return "<svg class=\"hidden\" width=\"0\" height=\"0\" aria-hidden=\"true\"><defs>\n\(lines.joined(separator: "\n"))\n</defs></svg>"
    }()

    private static func row(_ node: RolloutHistory.Node, _ y: Double, _ axis: TimeAxis, _ now: Duration) -> String {
        let name = """
            <line class="row" x1="0" y1="\(HTMLText.number(y + rowHeight))" x2="1000" y2="\(HTMLText.number(y + rowHeight))"/>\
            <text class="name" x="\(HTMLText.number(left - 8))" y="\(HTMLText.number(y + 19))">\(HTMLText.escaped(short(node.backend)))</text>
            """
        return ([name] + node.spans.map { bar($0, y + 5, axis, now) }).joined(separator: "\n")
    }

    private static func bar(_ span: RolloutHistory.Span, _ y: Double, _ axis: TimeAxis, _ now: Duration) -> String {
        let end = span.to ?? now
        let x = axis.x(span.from)
        let width = max(2, axis.x(end) - x)
        let time = (end - span.from).spoken
        let (mark, state): (String, String) = switch span.end {
        case .open: ("…", "goes on for \(time)")
        case .well: ("", time)
        case .failed(let reason): ("✗", "failed after \(time): \(reason)")
        }
        let title = "\(name(span.phase)): \(state)"
        let text = [label(span.phase, width), mark].filter { !$0.isEmpty }.joined(separator: " ")
        let isFailed = mark == "✗"
        return """
            <g><title>\(HTMLText.escaped(title))</title>\
            <rect class="bar\(isFailed ? " failed" : "")" x="\(HTMLText.number(x))" y="\(HTMLText.number(y))" width="\(HTMLText.number(width))" height="\(HTMLText.number(barHeight))" rx="2" fill="url(#\(id(span.phase)))"/>\
            <text class="label" x="\(HTMLText.number(x + width / 2))" y="\(HTMLText.number(y + 14))">\(width >= 10 ? text : isFailed ? "✗" : "")</text></g>
            """
    }

    /// A word where there is room for one, else a letter.
    private static func label(_ phase: RolloutHistory.Span.Phase, _ width: Double) -> String {
        let word = name(phase)
        return width >= Double(word.count) * 7 + 8 ? word : letter(phase)
    }

    private static var legend: String {
        let items = RolloutHistory.Span.Phase.allCases.map { phase in
            """
            <li><svg width="26" height="16" aria-hidden="true"><rect class="bar" x="0.5" y="0.5" width="25" height="15" rx="2" fill="url(#\(id(phase)))"/>\
            <text class="label" x="13" y="12">\(letter(phase))</text></svg> \(name(phase))</li>
            """
        }
        return "<ul class=\"legend\">\n\(items.joined(separator: "\n"))\n<li>✗ it failed</li>\n<li>… it goes on</li>\n</ul>"
    }

    private static func id(_ phase: RolloutHistory.Span.Phase) -> String { "phase-\(phase.rawValue)" }

    /// The pool's name is the page's.
    private static func short(_ backend: String) -> String {
        let name = backend.split(separator: "/").last.map(String.init) ?? backend
        return name.count <= 20 ? name : name.prefix(19) + "…"
    }

    static func name(_ phase: RolloutHistory.Span.Phase) -> String {
        switch phase {
        case .drain: "drain"
        case .restart: "restart"
        case .ready: "probes"
        case .warm: "warm up"
        case .watch: "watched"
        case .rollback: "rollback"
        case .held: "kept out"
        }
    }

    private static func letter(_ phase: RolloutHistory.Span.Phase) -> String {
        switch phase {
        case .drain: "d"
        case .restart: "R"
        case .ready: "p"
        case .warm: "w"
        case .watch: "o"
        case .rollback: "B"
        case .held: "h"
        }
    }

    private static func angle(_ phase: RolloutHistory.Span.Phase) -> Int {
        switch phase {
        case .drain: 45
        case .restart: 0
        case .ready: 135
        case .warm, .watch, .held: 0
        case .rollback: 90
        }
    }

    private static func mark(_ phase: RolloutHistory.Span.Phase) -> String {
        switch phase {
        case .restart: ""
        case .drain, .ready, .rollback: "<line class=\"hatch\" x1=\"0\" y1=\"4\" x2=\"8\" y2=\"4\"/>"
        case .warm: "<circle class=\"dot\" cx=\"4\" cy=\"4\" r=\"1.2\"/>"
        case .watch: "<line class=\"hatch\" x1=\"4\" y1=\"0\" x2=\"4\" y2=\"3\"/>"
        case .held: "<line class=\"hatch\" x1=\"0\" y1=\"4\" x2=\"8\" y2=\"4\"/><line class=\"hatch\" x1=\"4\" y1=\"0\" x2=\"4\" y2=\"8\"/>"
        }
    }
}
