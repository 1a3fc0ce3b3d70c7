// Connections of each backend over a rollout's time: a line a backend, all to one scale, its time out of rotation shaded.
import ControlProtocol
import Model
import Rollout

enum ConnectionsPicture {
    private static let rowHeight = 54.0
    private static let left = 150.0
    private static let width = 820.0

    static func svg(_ history: RolloutHistory) -> String {
        let axis = TimeAxis(left: left, width: width, lasting: history.elapsed)
        let most = max(1, history.nodes.flatMap { $0.counts.map(\.connections) }.max() ?? 0)
        let bottom = rowHeight * Double(max(1, history.nodes.count))
        let rows = history.nodes.enumerated().map { row($0.element, rowHeight * Double($0.offset), axis, most, history.elapsed) }
        return """
            <svg class="picture" viewBox="0 0 1000 \(HTMLText.number(bottom + 24))" role="img" aria-labelledby="connections-title">
            <title id="connections-title">Connections of each backend over time; the scale of every row ends at \(most)</title>
            \(axis.grid(top: 0, bottom: bottom))
            \(rows.joined(separator: "\n"))
            </svg>
            """
    }

    private static func row(_ node: RolloutHistory.Node, _ y: Double, _ axis: TimeAxis, _ most: Int, _ now: Duration) -> String {
        let base = y + rowHeight - 6
        let scale = (rowHeight - 14) / Double(most)
        func height(_ connections: Int) -> String { HTMLText.number(base - Double(connections) * scale) }
        var parts = node.spans.filter(\.isOut).map { span in
            let x = axis.x(span.from)
            let width = HTMLText.number(max(1, axis.x(span.to ?? now) - x))
            return "<rect class=\"out\" x=\"\(HTMLText.number(x))\" y=\"\(HTMLText.number(y + 4))\" width=\"\(width)\" height=\"\(HTMLText.number(rowHeight - 10))\"/>"
        }
        var line = ""
        for (index, count) in node.counts.enumerated() {
            let x = HTMLText.number(axis.x(count.elapsed))
            // Level until the next one was seen.
            line += index == 0 ? "M\(x) \(height(count.connections))" : "H\(x)V\(height(count.connections))"
        }
        if !line.isEmpty { parts.append("<path class=\"curve\" d=\"\(line)H\(HTMLText.number(axis.x(now)))\"/>") }
        let name = node.backend.split(separator: "/").last.map(String.init) ?? node.backend
        let peak = node.counts.map(\.connections).max()
        parts.append("""
            <line class="row" x1="0" y1="\(HTMLText.number(base))" x2="1000" y2="\(HTMLText.number(base))"/>\
            <text class="name" x="\(HTMLText.number(left - 8))" y="\(HTMLText.number(y + 24))">\(HTMLText.escaped(String(name.prefix(20))))</text>\
            <text class="small" x="\(HTMLText.number(left - 8))" y="\(HTMLText.number(y + 40))">\(peak.map { "at most \($0)" } ?? "not seen")</text>
            """)
        return parts.joined(separator: "\n")
    }
}

extension RolloutHistory.Span {
    /// No new connections go to it.
    fileprivate var isOut: Bool {
        switch phase {
        case .drain, .restart, .ready, .rollback, .held: true
        case .warm, .watch: false
        }
    }
}
