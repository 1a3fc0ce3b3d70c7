// One pool on the status page: how it is, its last ten minutes, its rollout, and its backends, those in trouble first.
import ControlProtocol
import Decisions
import Model

/// What the page shows of a pool besides its report.
struct PoolFigures: Sendable {
    /// Now.
    var load = Load()
    var samples: [PoolHistory.Sample] = []
    /// By the backend's name.
    var backends: [String: Figures] = [:]

    struct Figures: Sendable {
        var load = Load()
        var failuresPerSecond = 0.0
        /// Of one that is draining; nil: not known yet.
        var timeToEmpty: TimeToEmptyReport?
    }
}

struct PagePool {
    let report: PoolReport
    let figures: PoolFigures
    let now: Timestamp
    /// The backends shown, by their places in the pool; nil: those that matter most.
    var window: Range<Int>?

    /// Shown of a pool among others.
    private static let rowsMax = 24

    var html: HTML {
        let name = report.name
        return """
            <section class="pool" id="pool-\(name)" aria-labelledby="h-\(name)"><div class="title"><h2 id="h-\(name)"><a href="/?pool=\(name)">\(name)</a></h2>\(PagePool.state(report))<span class="soft">\(report.balance)</span>\(line)</div>\(graphs)\(rollout)\(table)</section>
            """
    }

    /// In a word or two.
    static func state(_ report: PoolReport) -> HTML {
        if report.removing { return PageParts.state(.leaving, "warn", "being removed") }
        let (usable, all) = (report.backends.count { $0.availability.isUsable }, report.backends.count)
        return summary(eligible: report.eligible, usable: usable, of: all, whenNone: report.whenNone)
    }

    static func summary(eligible: Int, usable: Int, of all: Int, whenNone: WhenNone.Word) -> HTML {
        guard eligible > 0 else { return PageParts.state(.bad, "bad", "no backend: new connections \(whenNone.outcome)") }
        let words = "\(usable) of \(all) available"
        return usable == all ? PageParts.state(.good, "good", words) : PageParts.state(.part, "warn", words)
    }

    /// Who waits, and who is turned away.
    private var line: HTML {
        var parts: [String] = []
        if report.queued > 0 { parts.append("\(report.queued) queued") }
        if report.held > 0 { parts.append("\(report.held) held") }
        if report.refused > 0 { parts.append("\(PageNumbers.count(report.refused)) refused when full") }
        if report.diverted > 0 { parts.append("\(PageNumbers.count(report.diverted)) diverted") }
        return parts.isEmpty ? "" : "<span class=\"soft\">\(parts.joined(separator: ", "))</span>"
    }

    private var graphs: HTML {
        let samples = figures.samples
        let failures = report.backends.reduce(0.0) { $0 + (figures.backends[$1.name]?.failuresPerSecond ?? 0) }
        let connections = PageGraph(
            name: "connections", values: samples.map { Double($0.connections) }, written: { PageNumbers.count(Int($0)) },
            now: Double(report.backends.reduce(0) { $0 + $1.connections }))
        let connects = PageGraph(
            name: "connects a second", values: samples.map { Double($0.connects) }, written: PageNumbers.rate, now: figures.load.connectsPerSecond)
        let failed = PageGraph(name: "failed a second", values: samples.map { Double($0.failures) }, written: PageNumbers.rate, now: failures, isFailure: true)
        let bytes = PageGraph(name: "bytes a second", values: samples.map { Double($0.bytes) }, written: PageNumbers.bytes, now: figures.load.bytesPerSecond)
        return "<dl class=\"figures\">\(connections.html)\(connects.html)\(bytes.html)\(failed.html)</dl>"
    }

    // MARK: Rollout

    private var rollout: HTML {
        guard let rollout = report.rollout else { return "" }
        let steps = rollout.nodes.map { node -> HTML in
            let since: HTML = node.since.flatMap { age($0) }.map { " <span class=\"soft\">\(node.step == .done ? "" : "for ")\($0)\(node.step == .done ? " ago" : "")</span>" } ?? ""
            return "<li class=\"\(node.step.place)\"><b>\(node.backend)</b>\(PageParts.state(node.step.mark, node.step.colour, node.step.words))\(since)</li>"
        }
        var words = "by \(rollout.owner), \(rollout.stepsDone) of \(rollout.steps) done"
        if let end = rollout.endsAt, let most = rollout.endsAtMost {
            words += "; ends about \(PageNumbers.time(end)), nine times of ten by \(PageNumbers.time(most)) UTC"
        }
        if let resume = rollout.resume { words += "; not running any more, last heard of at \(PageNumbers.time(rollout.reportedAt)) UTC; to go on: \(resume)" }
        let colour = rollout.state == .stopped || rollout.state == .abandoned ? "bad" : rollout.state == .done ? "good" : "soft"
        let mark: PageMark = rollout.state == .done ? .good : rollout.state.hasEnded ? .bad : rollout.state == .running ? .part : .pause
        return """
            <div class="rollout" role="group" aria-label="Rollout \(rollout.id)"><p class="title"><b>Rollout \(rollout.id)</b>\(PageParts.state(mark, colour, rollout.state.rawValue))<span class="soft">\(words)</span></p><ol class="steps">\(steps)</ol></div>
            """
    }

    // MARK: Backends

    private var table: HTML {
        let shown = shown
        let rows = shown.map(row)
        return """
            <table class="rows backends"><thead><tr><th scope="col">Backend</th><th scope="col">State</th><th scope="col" class="n">Conns</th><th scope="col" class="n">Connects/s</th><th scope="col" class="n">Bytes/s</th><th scope="col" class="n">Failed/s</th><th scope="col">Note</th></tr></thead><tbody>\(rows)</tbody></table>\(rest(after: shown.count))
            """
    }

    private var shown: [BackendReport] {
        if let window { return Array(report.backends[window.clamped(to: 0..<report.backends.count)]) }
        guard report.backends.count > PagePool.rowsMax else { return report.backends }
        let (others, calm) = (report.backends.filter { $0.availability != .available }, report.backends.filter { $0.availability == .available })
        return Array((others + calm).prefix(PagePool.rowsMax))
    }

    private func rest(after count: Int) -> HTML {
        let left = report.backends.count - count
        if let window {
            let all = report.backends.count
            let before: HTML = window.lowerBound > 0 ? "<a href=\"/?pool=\(report.name)&amp;from=\(max(0, window.lowerBound - window.count))\">those before</a> " : ""
            let after: HTML = window.upperBound < all ? "<a href=\"/?pool=\(report.name)&amp;from=\(window.upperBound)\">those after</a>" : ""
            return left > 0 ? "<p class=\"soft\">\(window.lowerBound + 1) to \(min(window.upperBound, all)) of \(all) backends; \(before)\(after)</p>" : ""
        }
        return left > 0 ? "<p class=\"soft\">and \(left) more, <a href=\"/?pool=\(report.name)\">all of pool \(report.name)</a></p>" : ""
    }

    private func row(_ backend: BackendReport) -> HTML {
        let own = figures.backends[backend.name] ?? PoolFigures.Figures()
        let most: HTML = backend.connectionsMax.map { " <span class=\"soft\">of \(PageNumbers.count($0))</span>" } ?? ""
        let failed: HTML = own.failuresPerSecond > 0 ? "<span class=\"bad\">\(PageNumbers.rate(own.failuresPerSecond))</span>" : "0"
        return """
            <tr><th scope="row">\(backend.name)<span class="sub soft">\(backend.address)</span></th><td>\(PageParts.state(backend.availability))</td><td class="n">\(PageNumbers.count(backend.connections))\(most)</td><td class="n">\(PageNumbers.rate(own.load.connectsPerSecond))</td><td class="n">\(PageNumbers.bytes(own.load.bytesPerSecond))</td><td class="n">\(failed)</td><td class="note">\(note(backend, own))</td></tr>
            """
    }

    private func note(_ backend: BackendReport, _ own: PoolFigures.Figures) -> HTML {
        var lines: [HTML] = []
        if let drain = backend.drain { lines.append(note(drain, backend, own)) }
        if backend.removing { lines.append("removed: goes when its last connection has ended") }
        if let failure = backend.probeFailure, backend.availability != .available {
            lines.append("<details id=\"p-\(report.name)-\(backend.name)\"><summary>probe fails</summary><span class=\"soft\">\(failure)</span></details>")
        }
        var facts: [String] = []
        if let share = backend.share { facts.append("\(share) % of its share") }
        if let percent = report.shares?.percents[backend.name], percent < 100 { facts.append("\(percent) % of its weight") }
        if backend.backup { facts.append("backup") }
        if backend.weight != 1 { facts.append("weight \(backend.weight)") }
        if !facts.isEmpty { lines.append("<span class=\"soft\">\(facts.joined(separator: ", "))</span>") }
        return lines.count < 2 ? lines.first ?? "" : "\(lines.map { "<div>\($0)</div>" as HTML })"
    }

    /// What is left of it first, then whose it is.
    private func note(_ drain: DrainReport, _ backend: BackendReport, _ own: PoolFigures.Figures) -> HTML {
        let left: HTML = switch backend.availability {
        case .draining: "<b class=\"warn\">\(PageNumbers.count(backend.connections)) left</b>, \(own.timeToEmpty?.short ?? "estimating")"
        case .available, .warming, .unknown, .drained, .down, .maintenance: "\(backend.wish.rawValue)"
        }
        var terms: [String] = []
        if let deadline = drain.deadline, let end = drain.atDeadline, backend.availability == .draining {
            let words = switch end {
            case .keep: "until its deadline, then it waits on"
            case .close: "until the rest is closed"
            case .reset: "until the rest is reset"
            }
            terms.append(rest(deadline).map { "\($0) \(words)" } ?? "its deadline has passed")
        }
        if let until = drain.leaseUntil { terms.append(rest(until).map { "\($0) until its lease ends" } ?? "its lease is over") }
        let reason: HTML = drain.reason.map { ": <bdi>\($0)</bdi>" } ?? ""
        let more: HTML = terms.isEmpty ? "" : "; \(terms.joined(separator: "; "))"
        return "\(left)<span class=\"sub soft\">by <bdi>\(drain.owner)</bdi>\(age(drain.since).map { " for \($0)" } ?? "")\(reason)\(more)</span>"
    }

    private func age(_ rfc3339: String) -> String? {
        Timestamp(rfc3339: rfc3339).map { Duration.milliseconds(max(0, now.milliseconds - $0.milliseconds)).spoken }
    }

    /// Nil: it is over.
    private func rest(_ rfc3339: String) -> String? {
        guard let end = Timestamp(rfc3339: rfc3339), end > now else { return nil }
        return Duration.milliseconds(end.milliseconds - now.milliseconds).spoken
    }
}

extension RolloutNotice.Step {
    fileprivate var mark: PageMark {
        switch self {
        case .waiting: .open
        case .draining: .leaving
        case .restarting, .probing, .warming, .watching, .rollingBack: .part
        case .done: .good
        case .rolledBack, .undone: .empty
        case .failed: .bad
        }
    }

    fileprivate var colour: String {
        switch self {
        case .waiting, .undone: "soft"
        case .draining, .restarting, .probing, .warming, .watching, .rollingBack, .rolledBack: "warn"
        case .done: "good"
        case .failed: "bad"
        }
    }

    /// On the line of time.
    fileprivate var place: String {
        switch self {
        case .waiting: "next"
        case .draining, .restarting, .probing, .warming, .watching, .rollingBack: "now"
        case .done, .undone, .rolledBack: "past"
        case .failed: "wrong"
        }
    }
}
