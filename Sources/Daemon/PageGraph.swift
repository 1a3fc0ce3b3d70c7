// One quantity over the last ten minutes as a small picture, with its numbers beside it and in words.
import ControlProtocol

struct PageGraph {
    /// `connections`, as its label says.
    let name: HTML
    let values: [Double]
    /// What is shown of a value.
    let written: (Double) -> String
    /// As it is now, where that is known better than by the last value.
    let now: Double
    /// More of it is worse.
    var isFailure = false

    private static let height = 28
    private static let width = PoolHistory.length - 1

    var html: HTML {
        let peak = max(values.max() ?? 0, now)
        return """
            <div class="figure\(isFailure && peak > 0 ? " fail" : "")"><dt>\(name)</dt><dd><b>\(written(now))</b><span class="soft">most \(written(peak))</span>\(picture(peak))</dd></div>
            """
    }

    private func picture(_ peak: Double) -> HTML {
        guard values.count > 1 else { return "<svg class=\"graph\" role=\"img\" aria-label=\"no history yet\"></svg>" }
        let start = PageGraph.width - (values.count - 1)
        let line = path(peak, from: start)
        return """
            <svg class="graph" viewBox="0 0 \(PageGraph.width) \(PageGraph.height + 1)" preserveAspectRatio="none" role="img" aria-label="\(name) in the last ten minutes: now \(written(now)), at most \(written(peak)), at least \(written(values.min() ?? 0))"><path class="area" d="\(line)V\(PageGraph.height + 1)H\(start)z"/><path class="line" d="\(line)"/></svg>
            """
    }

    /// Steps of whole units; what stays level is one step.
    private func path(_ peak: Double, from start: Int) -> String {
        let heights = values.map { PageGraph.height - Int((min($0, peak) / max(peak, 1) * Double(PageGraph.height - 1)).rounded()) }
        var (text, level) = ("M\(start) \(heights[0])", 0)
        for (before, height) in zip(heights, heights.dropFirst()) {
            guard height != before else {
                level += 1
                continue
            }
            if level > 0 { text += "h\(level)" }
            level = 0
            text += "l1 \(height - before)"
        }
        return level > 0 ? text + "h\(level)" : text
    }
}
