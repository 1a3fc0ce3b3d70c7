// The status page around its parts: one rendering for browsers with and without scripts.
import ControlProtocol
import Model

struct PageDocument {
    var status: StatusReport
    let readiness: Readiness.Report
    let now: Timestamp
    /// Of one pool: its name.
    var pool: String?
    /// Listeners that are not in the status, for want of room.
    var moreListeners = 0
    var pools: HTML = ""
    var attention = PageAttention()
    var events: [EventRecord] = []

    var html: HTML {
        """
        <!DOCTYPE html>
        <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>\(title)</title>
        <link rel="stylesheet" href="/style.css"><script src="/script.js" defer></script><noscript><meta http-equiv="refresh" content="5"></noscript></head>
        <body>\(PageMark.definitions)<a class="skip" href="#main">To the pools</a><p id="alive" role="alert" hidden></p>
        <header id="top"><h1><a href="/">Sluice</a></h1>\(facts)</header>
        <main id="main" tabindex="-1">\(notices)<div class="columns"><div id="pools">\(pools)</div><aside aria-label="Listeners and events">\(PageParts.listeners(status.listeners, more: moreListeners))\(PageParts.events(events))</aside></div></main>
        <footer><span>Read-only: changes are made with lbctl.</span><span><a href="/metrics">metrics</a></span><span><a href="/readyz">readiness</a></span></footer>
        </body></html>

        """
    }

    private var title: String {
        let trouble = (readiness.ready ? [] : ["not ready"]) + (attention.title.isEmpty ? [] : [attention.title])
        return trouble.map { "\($0): " }.joined() + "\(pool.map { "pool \($0) at " } ?? "")lbd, \(counted(status.connections, "connection"))"
    }

    private var facts: HTML {
        let age = PageParts.age(status.startedAt, now) ?? "?"
        let used = status.connections * 100 / max(1, status.connectionsMax)
        let bar: HTML = """
            <svg class="meter" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect width="100" height="6"/><rect class="used" width="\(min(100, status.connections > 0 ? max(1, used) : 0))" height="6"/></svg>
            """
        return """
            <p class="facts"><span><b>\(PageNumbers.count(status.connections))</b> of \(PageNumbers.count(status.connectionsMax)) connections\(bar)</span><span>up <b>\(age)</b></span><span>version <b>\(status.version)</b></span><span><b>\(status.workers)</b> \(status.workers == 1 ? "worker" : "workers")</span><span>pid <b>\(status.pid)</b></span><span>as of \(PageParts.time(now.rfc3339)) UTC</span></p>
            """
    }

    /// Of the reasons why it is not ready.
    private static let reasonsMax = 5

    /// What somebody should know first.
    private var notices: HTML {
        var items = readiness.reasons.prefix(PageDocument.reasonsMax).map { "<li class=\"bad\">\(PageMark.bad.html)\($0)</li>" as HTML }
        let left = readiness.reasons.count - items.count
        if left > 0 { items.append("<li class=\"bad\">\(PageMark.bad.html)and \(left) more such pools: <a href=\"/readyz\">readiness</a></li>") }
        items += attention.items
        if let failure = status.reloadFailure {
            let more = failure.errors.count > 1 ? "; and \(failure.errors.count - 1) more: lbctl config check" : ""
            items.append("<li class=\"bad\">\(PageMark.bad.html)reload by \(failure.by) at \(PageParts.time(failure.at)) UTC failed, nothing was changed: \(failure.errors.first ?? "")\(more)</li>")
        }
        if status.unsavedChanges > 0 {
            items.append("<li class=\"warn\">\(PageMark.leaving.html)\(counted(status.unsavedChanges, "change")) not in the file: a restart of lbd forgets them; see lbctl config diff</li>")
        }
        return items.isEmpty ? "" : "<ul class=\"notices\" aria-label=\"Now\">\(items)</ul>"
    }
}

/// Pools that there is no room for, a line each.
struct PagePoolLine {
    let name: String
    let eligible: Int
    let usable: Int
    let backends: Int
    let whenNone: WhenNone.Word
    let connections: Int
    let connects: Double
    let failures: Double

    private var row: HTML {
        """
        <tr><th scope="row"><a href="/?pool=\(name)">\(name)</a></th><td>\(PagePool.summary(eligible: eligible, usable: usable, of: backends, whenNone: whenNone))</td><td class="n">\(PageNumbers.count(connections))</td><td class="n">\(PageNumbers.rate(connects))</td><td class="n">\(PageNumbers.rate(failures))</td></tr>
        """
    }

    static func table(_ lines: [PagePoolLine], more: Int) -> HTML {
        guard !lines.isEmpty else { return "" }
        let rest: HTML = more > 0 ? "<p class=\"soft\">and \(more) more pools: lbctl status</p>" : ""
        return """
            <section aria-labelledby="h-others"><h2 id="h-others">Other pools</h2><table class="rows pools"><thead><tr><th scope="col">Pool</th><th scope="col">State</th><th scope="col" class="n">Conns</th><th scope="col" class="n">Connects/s</th><th scope="col" class="n">Failed/s</th></tr></thead><tbody>\(lines.map(\.row))</tbody></table>\(rest)</section>
            """
    }
}
