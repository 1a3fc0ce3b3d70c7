// A pool's rollout on the status page: a line each step, with what it has taken and what it is to take to the scale of time.
import ControlProtocol
import Model

struct PageRollout {
    let standing: RolloutStanding
    let now: Timestamp

    /// Of a long one those about the step in hand.
    private static let rowsMax = 8
    /// Per thousand of the line: what is shorter is drawn so long, so that it is seen.
    private static let least: Int64 = 12
    /// A rollout tells of itself at least every eight seconds.
    private static let quiet = Duration.seconds(20)

    var html: HTML {
        let nodes = standing.nodes
        let inHand = nodes.firstIndex { $0.step.place != .past } ?? nodes.count
        let first = max(0, min(inHand - 2, nodes.count - PageRollout.rowsMax))
        let shown = first..<min(nodes.count, first + PageRollout.rowsMax)
        let others = standing.steps - shown.count
        let more: HTML = others > 0 ? "<p class=\"soft\">\(counted(others, "more step")): lbctl rollout show \(standing.id)</p>" : ""
        let bars = RolloutBars(standing, now: now)
        return """
            <div class="rollout" role="group" aria-label="Rollout \(standing.id)"><p class="title"><b>Rollout \(standing.id)</b>\(state)<span class="soft">\(words)</span></p>\(heard)<ol class="steps">\(shown.map { row(nodes[$0], bars.bar($0), bars) })</ol>\(axis(bars))\(more)</div>
            """
    }

    private var state: HTML { PageRollout.state(standing.state) }

    static func state(_ state: RolloutState) -> HTML {
        switch state {
        case .running: PageParts.state(.part, "soft", "running")
        case .paused: PageParts.state(.pause, "warn", "paused")
        case .stopping: PageParts.state(.leaving, "warn", "stopping")
        case .done: PageParts.state(.good, "good", "done")
        case .stopped: PageParts.state(.bad, "bad", "stopped")
        case .abandoned: PageParts.state(.bad, "bad", "abandoned")
        }
    }

    private var words: HTML {
        let progress: HTML = "by <bdi>\(PageParts.cut(standing.owner))</bdi>, \(standing.stepsDone) of \(standing.steps) done"
        guard !standing.state.hasEnded, let end = standing.endsAt else { return progress }
        let left = PageParts.until(end, now).map { $0 > 0 ? ", in \(PageNumbers.span(seconds: $0))" : ", which is over" } ?? ""
        let most: HTML = standing.endsAtMost.map { "; nine times of ten by \(PageParts.time($0))" } ?? ""
        return "\(progress); ends about \(PageParts.time(end))\(left)\(most)"
    }

    /// Whether it still is.
    private var heard: HTML {
        let at = PageParts.time(standing.reportedAt), ago = PageParts.age(standing.reportedAt, now) ?? "?"
        switch standing.state {
        case .done: return ""
        case .stopped: return "<p>why: <code>lbctl rollout show \(standing.id)</code></p>"
        case .running, .paused, .stopping:
            let silence = Timestamp(rfc3339: standing.reportedAt).map { now.milliseconds - $0.milliseconds } ?? 0
            return silence > PageRollout.quiet.wholeMilliseconds ? "<p class=\"warn\">\(PageMark.leaving.html)not heard since \(at), for \(ago)</p>" : "<p class=\"soft\">last heard \(ago) ago</p>"
        case .abandoned:
            return "<p class=\"bad\">\(PageMark.bad.html)not heard since \(at), for \(ago): if no lbctl carries it out any more, <code>lbctl rollout resume \(standing.id)</code></p>"
        }
    }

    private func row(_ node: RolloutStanding.Node, _ bar: RolloutBars.Bar, _ bars: RolloutBars) -> HTML {
        """
        <li><b>\(node.backend)</b>\(PageParts.state(node.step.mark, node.step.colour, node.step.words))\(picture(node, bar, bars))<span class="soft n">\(time(node, bar))</span></li>
        """
    }

    private func time(_ node: RolloutStanding.Node, _ bar: RolloutBars.Bar) -> HTML {
        switch node.step.place {
        case .past: return bar.done.map { "took \(PageNumbers.span(milliseconds: $0.upperBound - $0.lowerBound))" } ?? ""
        case .now, .wrong: return node.since.flatMap { PageParts.age($0, now) }.map { "for \($0)" } ?? ""
        case .next: return bar.predicted.map { "about \(PageParts.time(Timestamp(milliseconds: $0.lowerBound).rfc3339))" } ?? ""
        }
    }

    // MARK: Bars

    private func picture(_ node: RolloutStanding.Node, _ bar: RolloutBars.Bar, _ bars: RolloutBars) -> HTML {
        let done = bar.done.map { rectangle($0, "\(node.step.place.rawValue)", bars) } ?? ""
        let predicted = bar.predicted.map { rectangle($0, "next", bars) } ?? ""
        let line: HTML = standing.state.hasEnded ? "" : "<line x1=\"\(percent(bars.place(bars.now)))\" x2=\"\(percent(bars.place(bars.now)))\" y1=\"0\" y2=\"100%\"/>"
        return "<svg class=\"span\" aria-hidden=\"true\">\(predicted)\(done)\(line)</svg>"
    }

    private func rectangle(_ span: Range<Int64>, _ kind: String, _ bars: RolloutBars) -> HTML {
        let from = bars.place(span.lowerBound), length = max(PageRollout.least, bars.place(span.upperBound) - from)
        return "<rect class=\"\(kind)\" x=\"\(percent(min(from, 1000 - length)))\" width=\"\(percent(length))\" y=\"2\" height=\"10\"/>"
    }

    private func percent(_ thousandths: Int64) -> String { "\(thousandths / 10).\(thousandths % 10)%" }

    private func axis(_ bars: RolloutBars) -> HTML {
        let end = PageParts.time(Timestamp(milliseconds: bars.end).rfc3339)
        return "<p class=\"axis soft\"><span>\(PageParts.time(standing.startedAt))</span><span>\(standing.state.hasEnded ? "" : "about ")\(end)</span></p>"
    }
}

extension RolloutNotice.Step {
    /// On the line of time.
    enum Place: String { case past, now, next, wrong }

    var place: Place {
        switch self {
        case .waiting: .next
        case .draining, .restarting, .probing, .warming, .watching, .rollingBack: .now
        case .done, .undone, .rolledBack: .past
        case .failed: .wrong
        }
    }

    var mark: PageMark {
        switch self {
        case .waiting: .open
        case .draining: .leaving
        case .restarting, .probing, .warming, .watching, .rollingBack: .part
        case .done: .good
        case .rolledBack, .undone: .empty
        case .failed: .bad
        }
    }

    var colour: String {
        switch self {
        case .waiting, .undone: "soft"
        case .draining, .restarting, .probing, .warming, .watching, .rollingBack, .rolledBack: "warn"
        case .done: "good"
        case .failed: "bad"
        }
    }
}
