// The parts of the status page: each value as markup, states as a sign and a word.
import ControlProtocol
import Model

/// A sign beside a word, so that no state is told by its colour alone.
enum PageMark: String, CaseIterable {
    case good, part, open, leaving, empty, bad, pause

    /// Within 10 by 10.
    private var shape: HTML {
        switch self {
        case .good: "<circle cx=\"5\" cy=\"5\" r=\"4.4\" stroke=\"none\"/>"
        case .part: "<circle cx=\"5\" cy=\"5\" r=\"4\" fill=\"none\" stroke-width=\"1.4\"/><path d=\"M5 1a4 4 0 0 1 0 8z\" stroke=\"none\"/>"
        case .open: "<circle cx=\"5\" cy=\"5\" r=\"4\" fill=\"none\" stroke-width=\"1.4\"/>"
        case .leaving: "<path d=\"M.4 1.4h9.2L5 9.4z\" stroke=\"none\"/>"
        case .empty: "<path d=\"M1.2 2h7.6L5 8.6z\" fill=\"none\" stroke-width=\"1.3\"/>"
        case .bad: "<path d=\"M1.3 1.3l7.4 7.4M8.7 1.3L1.3 8.7\" fill=\"none\" stroke-width=\"2.2\"/>"
        case .pause: "<path d=\"M1.4 1h2.6v8H1.4zM6 1h2.6v8H6z\" stroke=\"none\"/>"
        }
    }

    /// `<use>` of it.
    var html: HTML { "<svg class=\"m\" viewBox=\"0 0 10 10\" aria-hidden=\"true\"><use href=\"#m-\(rawValue)\"/></svg>" }

    static let definitions: HTML = {
        let symbols = allCases.map { "<symbol id=\"m-\($0.rawValue)\" viewBox=\"0 0 10 10\">\($0.shape)</symbol>" as HTML }
        return "<svg class=\"defs\" aria-hidden=\"true\">\(symbols)</svg>"
    }()
}

enum PageParts {
    /// A sign, and a word in its colour.
    static func state(_ mark: PageMark, _ colour: String, _ word: String) -> HTML { "<span class=\"state \(colour)\">\(mark.html)\(word)</span>" }

    static func state(_ availability: Availability) -> HTML {
        let (mark, colour) = sign(availability)
        return state(mark, colour, availability.rawValue)
    }

    static func sign(_ availability: Availability) -> (PageMark, colour: String) {
        switch availability {
        case .available: (.good, "good")
        case .warming: (.part, "good")
        case .unknown: (.open, "soft")
        case .draining: (.leaving, "warn")
        case .drained: (.empty, "warn")
        case .down: (.bad, "bad")
        case .maintenance: (.pause, "soft")
        }
    }

    /// Since then: `3 m 20 s`.
    static func age(_ rfc3339: String, _ now: Timestamp) -> String? {
        Timestamp(rfc3339: rfc3339).map { PageNumbers.span(milliseconds: now.milliseconds - $0.milliseconds) }
    }

    /// Seconds until then, below 0 after it.
    static func until(_ rfc3339: String?, _ now: Timestamp) -> Double? {
        rfc3339.flatMap { Timestamp(rfc3339: $0) }.map { Double($0.milliseconds - now.milliseconds) / 1000 }
    }

    static func time(_ rfc3339: String) -> HTML { "<time datetime=\"\(rfc3339)\">\(PageNumbers.time(rfc3339))</time>" }

    /// Of what others wrote as much as the page has room for; `explain` has it whole.
    static func cut(_ text: String, to most: Int = 80) -> String { text.count > most ? text.prefix(most - 1) + "…" : text }

    // MARK: Listeners

    static func listeners(_ listeners: [ListenerReport], more: Int) -> HTML {
        guard !listeners.isEmpty else { return "<section aria-labelledby=\"h-listeners\"><h2 id=\"h-listeners\">Listeners</h2><p class=\"bad\">none is open</p></section>" }
        let rows = listeners.map { listener -> HTML in
            let most = listener.connectionsMax.map { ", at most \(PageNumbers.count($0))" } ?? ""
            return """
                <tr><th scope="row">\(listener.name)<span class="sub soft">\(listener.bind) \u{2192} <a href="/?pool=\(listener.pool)">\(listener.pool)</a>\(most)</span>\(note(listener))</th><td class="n">\(PageNumbers.count(listener.connections))</td><td class="n">\(PageNumbers.count(listener.refused))</td></tr>
                """
        }
        let rest: HTML = more > 0 ? "<p class=\"soft\">and \(more) more: lbctl status</p>" : ""
        return """
            <section aria-labelledby="h-listeners"><h2 id="h-listeners">Listeners</h2><table class="listeners"><thead><tr><th scope="col">Listener</th><th scope="col" class="n">Connections</th><th scope="col" class="n">Refused</th></tr></thead><tbody>\(rows)</tbody></table>\(rest)</section>
            """
    }

    private static func note(_ listener: ListenerReport) -> HTML {
        if listener.closing { return "<span class=\"sub\">\(state(.leaving, "warn", "removed, its connections go on"))</span>" }
        if let most = listener.connectionsMax, listener.connections >= most { return "<span class=\"sub\">\(state(.pause, "warn", "full: the backlog waits"))</span>" }
        return listener.rateReached ? "<span class=\"sub\">\(state(.pause, "warn", "at its rate: the rest waits"))</span>" : ""
    }

    // MARK: Events

    /// Characters of one event's text: an owner and a reason at their longest would fill the page.
    private static let eventMax = 240

    static func events(_ events: [EventRecord]) -> HTML {
        guard !events.isEmpty else { return "<section aria-labelledby=\"h-events\"><h2 id=\"h-events\">Last events</h2><p class=\"soft\">none yet</p></section>" }
        let items = events.map { event -> HTML in
            let level: HTML = switch event.level {
            case "error": "\(state(.bad, "bad", event.level)) "
            case "warning": "\(state(.leaving, "warn", event.level)) "
            default: ""
            }
            return "<li>\(time(event.time))\(level)<b>\(event.subject)</b> \(cut(event.text, to: eventMax).replacing("->", with: "\u{2192}"))</li>"
        }
        return "<section aria-labelledby=\"h-events\"><h2 id=\"h-events\">Last events <span class=\"soft\">UTC</span></h2><ol class=\"events\">\(items)</ol></section>"
    }
}
