// The status page as text. Faults: a page of a megabyte for many backends, a name or a reason that becomes markup, a graph
// that hides its highest value, numbers that nobody reads.
import ControlProtocol
import Model
import Testing

@testable import Daemon

private func backend(
    _ name: String, _ availability: Availability = .available, drain: DrainLease? = nil, leaseUntil: Timestamp? = nil, failure: String? = nil
) -> BackendReport {
    BackendReport(
        name: name, address: "10.0.0.1:8080", wish: drain == nil ? .ready : .drain, probe: availability == .down ? .down : .up, availability: availability, connections: 12345,
        connectionsTotal: 1_234_567, connectFailures: 3, resets: 0, bytesToBackend: 1, bytesToClient: 2, weight: 1, backup: false,
        probeSince: "1970-01-01T00:00:05.000Z", probeSequence: 1,
        probedAt: nil, probeFailure: failure, drain: drain.map { DrainReport($0, leaseUntil: leaseUntil) })
}

private func page(_ backends: [BackendReport], _ figures: PoolFigures = PoolFigures(), window: Range<Int>? = nil) -> String {
    let report = PoolReport(name: "web", balance: "random", drainDeadline: 1, restart: nil, eligible: backends.count, backends: backends)
    return PagePool(report: report, figures: figures, now: Timestamp(milliseconds: 10_000), window: window).html.text
}

struct PageTests {
    @Test func whatOthersWroteIsNeverMarkup() {
        let drain = DrainLease(owner: "<script>", reason: "'\"&><img\u{202E}\u{0}", since: Timestamp(milliseconds: 0), lease: nil)
        let text = page([backend("web-1", .draining, drain: drain, failure: "said <b>x</b>"), backend("web-2", .down, failure: "</details><script>")])
        #expect(!text.contains("<script") && !text.contains("<img") && !text.contains("<b>x") && !text.contains("\u{202E}"))
        #expect(text.contains("&lt;script&gt;") && text.contains("&#39;&quot;&amp;&gt;&lt;img\u{FFFD}\u{FFFD}"))
        #expect(("\(["<" as HTML, "\("<")"])" as HTML).text == "<&lt;")
    }

    @Test func ofManyBackendsThoseInTroubleAreShown() {
        let many = (1...500).map { backend("web-\($0)", $0 == 400 ? .down : .available) }
        let text = page(many)
        #expect(text.utf8.count < 20_000)
        #expect(text.contains("web-400<") && text.contains("and 476 more"))
        let window = page(many, window: 120..<240)
        #expect(window.contains("web-121<") && window.contains("web-240<") && !window.contains("web-241<") && !window.contains("web-120<"))
        #expect(window.contains("from=0\">") && window.contains("from=240\">") && window.utf8.count < 90_000)
        let beyond = page(many, window: 9000..<9120)
        #expect(beyond.contains("481 to 500 of 500") && beyond.contains("web-500<") && beyond.contains("from=360\">") && !beyond.contains("those after"))
        let few = page([backend("web-1"), backend("web-2", .maintenance), backend("web-3", .draining), backend("web-4", .down)], window: 0..<120)
        let places = ["web-4<", "web-3<", "web-2<", "web-1<"].compactMap { few.firstRange(of: $0)?.lowerBound }
        #expect(places.count == 4 && places == places.sorted())
        #expect(page([]).contains("lbctl backend add web/NAME"))
    }

    /// Fault: 120 backends with the longest texts made a page of 334 kB.
    @Test("the longest texts: the rows end where their room does, the link goes on there, and every backend is on one of the pages")
    func longestTexts() {
        let long = String(repeating: "&", count: 200)
        let drain = DrainLease(owner: long, reason: long, since: Timestamp(milliseconds: 0), lease: .seconds(60))
        let all = (1...120).map { backend("web-\($0)", .drained, drain: drain, leaseUntil: Timestamp(milliseconds: 60_000), failure: String(repeating: "'", count: 900)) }
        var (from, pages, seen) = (0, 0, 0)
        while from < all.count, pages < all.count {
            let text = page(all, window: from..<from + StatusPage.backendsMax)
            pages += 1
            #expect(text.utf8.count < 60_000, "\(text.utf8.count) bytes from \(from) on")
            let places = text.plain.firstMatch(of: /(\d+) to (\d+) of 120 backends/)
            #expect(places.flatMap { Int($0.1) } == from + 1)
            let to = places.flatMap { Int($0.2) } ?? all.count
            for number in from + 1...max(from + 1, to) { #expect(text.contains(">web-\(number)<")) }
            #expect(text.contains("from=\(to)\">those after") == (to < all.count) && text.contains("those before") == (from > 0))
            (from, seen) = (to, seen + to - from)
        }
        #expect(seen == 120 && pages > 2 && pages < 40)
        #expect(page([all[0]]).contains("<bdi>" + String(repeating: "&amp;", count: 79) + "…</bdi>"))
    }

    @Test("a drain's line says whose it is, why, since when and until when; its estimate never what the deadline forestalls")
    func drainLine() {
        let drain = DrainLease(
            owner: "amy", reason: "kernel", since: Timestamp(milliseconds: 4000), lease: .seconds(60), deadline: Timestamp(milliseconds: 70_000),
            atDeadline: .close)
        let drained = page([backend("web-1", .drained, drain: drain, leaseUntil: Timestamp(milliseconds: 65_000))]).plain
        #expect(drained.contains("drained by amy since 00:00:04, for 6 s: kernel; lease until 00:01:05, in 55 s"), "\(drained)")
        let time = TimeToEmptyReport(p50: .seconds(3600), p90: .seconds(7200), leftAtDeadline: 37, ended: 100, toBlame: [])
        let figures = PoolFigures(backends: ["web-1": .init(timeToEmpty: time)])
        let draining = page([backend("web-1", .draining, drain: drain)], figures).plain
        #expect(draining.contains("12,345 left, closed at 00:01:10 UTC, in 1 m 0 s: about 37 of 12345; by amy since 00:00:04"), "\(draining)")
        #expect(!draining.contains("empty in"))
    }

    @Test("why a backend is down stands there, with since when, in one line")
    func probeFailure() {
        let text = page([backend("web-1", .down, failure: "said \"no\"\nand\u{1B}[31m left")])
        #expect(!text.contains("<details"))
        #expect(text.plain.contains("its probes fail since 00:00:05, for 5 s: said &quot;no&quot;\\nand\\u{1b}[31m left"), "\(text.plain)")
        #expect(page([backend("web-1", failure: "refused")]).plain.contains("its last probe failed: refused"), "one that is up still")
        #expect(page([backend("web-1", .down, failure: String(repeating: "x", count: 5000))]).utf8.count < 4000)
    }

    @Test("what is out is named above all else; nothing out is said too")
    func attention() throws {
        var calm = PageAttention(), grave = PageAttention()
        calm.note(pool: try PoolName("web"), nil)
        for number in 1...20 {
            calm.note(try BackendReference("web/web-\(number)"), .available)
            grave.note(try BackendReference("web/web-\(number)"), number < 10 ? .down : number == 10 ? .maintenance : .available)
        }
        #expect(("\(calm.items)" as HTML).text.plain == "all 20 backends of 1 pool are available" && calm.title == "")
        let text = ("\(grave.items)" as HTML).text.plain
        #expect(text.hasPrefix("9 down: web/web-1, web/web-2,") && text.contains(" and 3 more1 in maintenance: web/web-10"), "\(text)")
        #expect(grave.title == "9 down, 1 maintenance")
    }

    @Test func aGraphShowsItsHighest() {
        let samples = (0..<120).map { PoolHistory.Sample(connections: $0 == 60 ? 9000 : 1, connects: 0.5, failures: 0, bytes: 0) }
        let text = page([backend("web-1")], PoolFigures(samples: samples))
        #expect(text.contains("connections in the last ten minutes: now 12,345, at most 12,345, at least 1"))
        #expect(text.contains("connects a second in the last ten minutes: now 0, at most 0.5, at least 0.5"))
        #expect(text.utf8.count < 6000)
    }

    @Test func historyIsTenMinutesAndNoMore() {
        var history = PoolHistory()
        for step in 0...200 { history.read(connections: step, connects: UInt64(10 * step), failures: step < 100 ? 0 : 5, bytes: 0, at: Double(5 * step)) }
        let samples = history.samples
        #expect(samples.map(\.connections) == (81...200).map { UInt32($0) })
        #expect(samples.allSatisfy { $0.connects == 2 })
        #expect(samples.map(\.failures).max() == 1)
        history.read(connections: 1, connects: 0, failures: 0, bytes: 0, at: 2000)
        #expect(history.samples.last?.connects == 0, "a backend was taken out: nothing came")
    }

    @Test(arguments: [(0.0, "0"), (0.04, "0.1"), (0.25, "0.3"), (2, "2"), (9.94, "9.9"), (12.4, "12"), (1234.5, "1,235"), (1_000_000, "1,000,000")])
    func rates(number: Double, text: String) { #expect(PageNumbers.rate(number) == text) }

    @Test(arguments: [(0.0, "0 B"), (999, "999 B"), (999.6, "1 kB"), (1500, "1.5 kB"), (2_500_000, "2.5 MB"), (125_000_000, "125 MB")])
    func bytes(number: Double, text: String) { #expect(PageNumbers.bytes(number) == text) }

    @Test(arguments: [(0, "0"), (999, "999"), (1000, "1,000"), (-1234, "-1,234"), (1_234_567, "1,234,567")])
    func counts(number: Int, text: String) { #expect(PageNumbers.count(number) == text) }
}

extension String {
    /// Without its markup.
    var plain: String { replacing(/<[^>]*>/, with: "") }
}
