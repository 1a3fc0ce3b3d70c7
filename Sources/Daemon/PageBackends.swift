// The backends of a pool on the status page: a line each, those in trouble first, and below each of those a line that says why.
import ControlProtocol
import Model

struct PageBackends {
    let report: PoolReport
    let figures: PoolFigures
    let now: Timestamp
    /// Those shown, by their places in the pool; nil: those that matter most.
    private let window: Range<Int>?

    /// Shown of a pool among others.
    private static let rowsMax = 24
    private let rowsMax: Int
    /// Bytes of the rows of one pool's page: with its graphs, the listeners and the events it stays below 100 kB.
    private static let sizeMax = 44 * 1024
    /// A failure's text may hold what a backend said.
    private static let failureMax = 200

    /// A window beyond the last becomes the one that holds the last.
    init(_ report: PoolReport, _ figures: PoolFigures, now: Timestamp, window: Range<Int>?, rowsMax: Int? = nil) {
        (self.report, self.figures, self.now, self.rowsMax) = (report, figures, now, rowsMax ?? PageBackends.rowsMax)
        self.window = window.map { window in
            let all = report.backends.count
            let first = window.lowerBound < all || window.isEmpty ? window.lowerBound : max(0, all - 1) / window.count * window.count
            return min(first, all)..<min(first + window.count, all)
        }
    }

    var html: HTML {
        guard !report.backends.isEmpty else { return "<p class=\"soft\">It has no backend: lbctl backend add \(report.name)/NAME ADDRESS</p>" }
        let (rows, places) = rendered
        return """
            <table class="rows backends"><thead><tr><th scope="col">Backend</th><th scope="col">Address</th><th scope="col">State</th><th scope="col" class="n">Connections</th><th scope="col" class="n">Connects/s</th><th scope="col" class="n">Bytes/s</th><th scope="col" class="n">Failed/s</th></tr></thead><tbody>\(rows)</tbody></table>\(rest(after: rows.count, places))
            """
    }

    // MARK: Which

    /// The rows, and whose they are by their places in the pool; nil: those that matter most.
    private var rendered: (rows: [HTML], places: Range<Int>?) {
        let all = report.backends
        guard let window else { return (byTrouble.prefix(rowsMax).map(row), nil) }
        if window.count == all.count {
            let rows = byTrouble.map(row)
            if rows.reduce(0, { $0 + $1.size }) <= PageBackends.sizeMax { return (rows, window) }
        }
        // Of several pages each keeps its own, as many as there is room for.
        var (rows, size) = ([HTML](), 0)
        for backend in all[window] {
            let next = row(backend)
            size += next.size
            guard rows.isEmpty || size <= PageBackends.sizeMax else { break }
            rows.append(next)
        }
        return (rows, window.lowerBound..<window.lowerBound + rows.count)
    }

    /// By the kind of trouble and not by numbers: what is looked at must not move about.
    private var byTrouble: [BackendReport] {
        report.backends.enumerated().sorted { ($0.element.availability.rank, $0.offset) < ($1.element.availability.rank, $1.offset) }.map(\.element)
    }

    private func rest(after count: Int, _ places: Range<Int>?) -> HTML {
        let all = report.backends.count
        guard all > count else { return "" }
        guard let places else { return "<p class=\"soft\">and \(all - count) more, <a href=\"/?pool=\(report.name)\">all of pool \(report.name)</a></p>" }
        // Where a page has no room for all of its window, the one before is taken to be like it.
        let isCut = places.upperBound < window?.upperBound ?? 0
        let back = max(0, places.lowerBound - (isCut ? places.count : StatusPage.backendsMax))
        let before: HTML = places.lowerBound > 0 ? " <a href=\"/?pool=\(report.name)&amp;from=\(back)\">those before</a>" : ""
        let after: HTML = places.upperBound < all ? " <a href=\"/?pool=\(report.name)&amp;from=\(places.upperBound)\">those after</a>" : ""
        return "<p class=\"soft\">\(places.lowerBound + 1) to \(places.upperBound) of \(all) backends;\(before)\(after)</p>"
    }

    // MARK: One

    private func row(_ backend: BackendReport) -> HTML {
        let own = figures.backends[backend.name] ?? PoolFigures.Figures()
        let failed: HTML = own.failuresPerSecond > 0 ? "<span class=\"bad\">\(PageNumbers.rate(own.failuresPerSecond))</span>" : "0"
        let notes = notes(backend, own)
        let why: HTML = notes.isEmpty ? "" : "<tr class=\"why\"><td colspan=\"7\">\(notes.map { "<div>\($0)</div>" as HTML })</td></tr>"
        return """
            <tr><th scope="row">\(backend.name)</th><td class="soft">\(([backend.address] + facts(backend)).joined(separator: ", "))</td><td>\(PageParts.state(backend.availability))</td><td class="n">\(PageNumbers.count(backend.connections))</td><td class="n">\(PageNumbers.rate(own.load.connectsPerSecond))</td><td class="n">\(PageNumbers.bytes(own.load.bytesPerSecond))</td><td class="n">\(failed)</td></tr>\(why)
            """
    }

    /// A sentence each.
    private func notes(_ backend: BackendReport, _ own: PoolFigures.Figures) -> [HTML] {
        var notes = [wish(backend, own), probe(backend)].compactMap(\.self)
        if backend.removing { notes.append("removed: gone when its last connection has ended") }
        if let most = backend.connectionsMax, backend.connections >= most { notes.append("<span class=\"warn\">full: all \(PageNumbers.count(most)) connections in use</span>") }
        notes += report.leaving.filter { $0.name == backend.name }.map { "its former address \($0.address): \($0.connections) left" }
        return notes
    }

    /// What it is in its pool, where that is not the usual.
    private func facts(_ backend: BackendReport) -> [String] {
        var facts: [String] = []
        if backend.backup { facts.append("backup") }
        if backend.weight != 1 { facts.append("weight \(backend.weight)") }
        if let most = backend.connectionsMax { facts.append("at most \(PageNumbers.count(most))") }
        if let share = backend.share { facts.append("back lately: \(share) % of its share") }
        if let percent = report.shares?.percents[backend.name], percent < 100 { facts.append("\(percent) % of its weight") }
        return facts
    }

    /// What it waits for first, then whose wish that is.
    private func wish(_ backend: BackendReport, _ own: PoolFigures.Figures) -> HTML? {
        var parts: [HTML] = []
        switch backend.availability {
        case .draining:
            let left = PageParts.until(backend.drain?.deadline, now)
            let outlook = DrainOutlook(left: backend.connections, own.timeToEmpty, backend.drain, deadlineIn: left)
            parts.append("<b class=\"warn\">\(PageNumbers.count(backend.connections)) left</b>, \(own.timeToEmpty == nil && left == nil ? "estimating" : outlook.short)\(backend.drain == nil ? "" : ";")")
        case .drained: parts.append("drained")
        case .maintenance:
            if backend.connections > 0 { parts.append("<b class=\"warn\">\(PageNumbers.count(backend.connections)) left</b>, ") }
            parts.append("in maintenance")
        case .available, .warming, .unknown, .down:
            guard backend.wish != .ready else { return nil }
            parts.append("\(backend.wish.rawValue)")
        }
        guard let drain = backend.drain else { return "\(parts)\(backend.removing ? "" : ", from the file")" }
        let reason: HTML = drain.reason.map { ": <bdi>\(PageParts.cut($0))</bdi>" } ?? ""
        parts.append(" by <bdi>\(PageParts.cut(drain.owner))</bdi> since \(PageParts.time(drain.since))\(PageParts.age(drain.since, now).map { ", for \($0)" } ?? "")\(reason)")
        if let until = drain.leaseUntil {
            let rest = PageParts.until(until, now).map { $0 > 0 ? ", in \(PageNumbers.span(seconds: $0))" : ", it is over" } ?? ""
            parts.append("; lease until \(PageParts.time(until))\(rest)")
        }
        return "\(parts)"
    }

    private func probe(_ backend: BackendReport) -> HTML? {
        guard let failure = backend.probeFailure else { return nil }
        let text = failure.count > PageBackends.failureMax ? failure.prefix(PageBackends.failureMax) + "…" : failure
        guard backend.probe == .down else { return "<span class=\"soft\">its last probe failed: \(text.escapedForOneLine)</span>" }
        let since: HTML = backend.probeSince.map { " since \(PageParts.time($0))\(PageParts.age($0, now).map { ", for \($0)" } ?? "")" } ?? ""
        return "<span class=\"bad\">its probes fail\(since)</span>: \(text.escapedForOneLine)"
    }
}

extension Availability {
    /// What needs somebody first; the same order everywhere on the page.
    var rank: Int {
        switch self {
        case .down: 0
        case .draining: 1
        case .drained: 2
        case .maintenance: 3
        case .warming: 4
        case .unknown: 5
        case .available: 6
        }
    }
}
