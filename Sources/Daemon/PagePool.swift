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
    /// Of those that matter most; nil: as many as a pool among few shows.
    var rowsMax: Int?

    var html: HTML {
        let name = report.name
        return """
            <section class="pool" id="pool-\(name)" aria-labelledby="h-\(name)"><div class="title"><h2 id="h-\(name)"><a href="/?pool=\(name)">\(name)</a></h2>\(PagePool.state(report))<span class="soft">\(report.balance)</span>\(line)</div>\(graphs)\(rollout)\(PageBackends(report, figures, now: now, window: window, rowsMax: rowsMax).html)</section>
            """
    }

    private var rollout: HTML { report.rollout.map { PageRollout(standing: $0, now: now).html } ?? "" }

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
}
