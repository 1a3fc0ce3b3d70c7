// The status page in a real browser. Faults: a page that must be loaded again to tell the truth, that loses what was opened
// or focused, that one cannot read in the dark, on a telephone, without a mouse or without scripts, and a peer's text that
// becomes markup.
import Foundation
import Glibc
import Model
import SystemCalls
import Testing

@Suite(.lab(.heavy)) struct StatusPage {
    let lab = Lab.current

    private func balancer(_ backends: Int = 3) throws -> Balancer {
        let dead = try ClosedPort()
        let servers = try (1...backends).map { ("web-\($0)", "\"\(try TestServer.named("web-\($0)", lab).endpoint)\"") }
        var text = ConfigurationText(backends: servers + [("web-9", "\"\(dead.endpoint)\"")], ["health: { check: connect, interval: 200ms, rise: 1, fall: 1 }"])
        text.settings = ["admin: 127.0.0.1:0"]
        let balancer = try Balancer(lab, text)
        for (name, _) in servers { try balancer.backend(name) { $0.availability == .available } }
        try balancer.backend("web-9") { $0.availability == .down }
        return balancer
    }

    private func address(_ balancer: Balancer, _ path: String = "/") throws -> String { "http://\(try balancer.admin())\(path)" }

    @Test("a drain by lbctl appears, counts down and ends without a reload; what is focused stays so")
    func live() throws {
        let balancer = try balancer(1)
        var held = try (0..<3).map { _ in try balancer.connect() }
        for peer in held { #expect(try peer.line() == "web-1") }
        let browser = try Chromium(lab)
        try browser.open(address(balancer))
        _ = try browser.text("window.marked = 1, document.querySelector('h2 a').focus()")
        try balancer.lbctl("drain", "web/web-1", "--owner", "amy<b>", "--reason", "<img src=x onerror=alert(1)> & \"more\"").succeeded()
        try eventually(within: .seconds(20), "the drain on the page") { try browser.text("document.body.innerText").contains("3 left") }
        #expect(try browser.text("document.body.innerText").contains("by amy<b> since"))
        #expect(try browser.text("document.body.innerText").contains("<img src=x onerror=alert(1)> & \"more\""))
        #expect(try browser.number("document.images.length") == 0)
        held.removeFirst().close()
        try eventually(within: .seconds(20), "one connection less") { try browser.text("document.body.innerText").contains("2 left") }
        for peer in held { peer.close() }
        try eventually(within: .seconds(20), "the end of the drain") { try browser.text("document.body.innerText").contains("drained") }
        #expect(try browser.text("window.marked") == "1", "the page was loaded again")
        #expect(try browser.text("document.querySelector('.notices').innerText").contains("1 down: web/web-9"))
        #expect(try browser.text("document.body.innerText").contains("its probes fail since"))
        #expect(try browser.text("document.activeElement.textContent") == "web")
        try balancer.program.signal(SIGSTOP)
        try eventually(within: .seconds(30), "the page to say that nobody answers") {
            try browser.text("document.getElementById('alive').innerText").hasPrefix("No answer from lbd since")
        }
        try balancer.program.signal(SIGCONT)
        try eventually(within: .seconds(30), "the page to be live again") { try browser.text("document.getElementById('alive').hidden") == "true" }
    }

    @Test("a pool that goes while its page is open: that is said, and not that lbd is silent")
    func poolGone() throws {
        let balancer = try balancer(1)
        #expect(try balancer.command("pool add spare").code == .done)
        let browser = try Chromium(lab)
        try browser.open(address(balancer, "/?pool=spare"))
        #expect(try browser.text("document.body.innerText").contains("lbctl backend add spare/NAME"))
        #expect(try balancer.command("pool remove spare").code == .done)
        try eventually(within: .seconds(20), "the page to say that the pool has gone") {
            try browser.text("document.body.innerText").contains("There is no such pool")
        }
        #expect(try browser.text("document.getElementById('alive').hidden") == "true")
        #expect(try balancer.get("/?pool=spare").status == 404)
    }

    @Test("light and dark, wide and narrow: nothing sticks out, every text has contrast, everything is reached by the Tab key")
    func looks() throws {
        let balancer = try balancer()
        let held = try (0..<6).map { _ in try balancer.connect() }
        for peer in held { _ = try peer.line() }
        try balancer.lbctl("drain", "web/web-2", "--owner", "amy", "--reason", "kernel update", "--lease", "10m").succeeded()
        let now = Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1000)).rfc3339
        #expect(try balancer.command("rollout report web/web-1=done@\(now) web/web-2=draining@\(now) web/web-3=waiting id=web-1 owner=rollout-1 state=running began=\(now) lease=10m").code == .done)
        let browser = try Chromium(lab)
        try browser.open(address(balancer))
        for width in [1280, 400] {
            for dark in [false, true] {
                try browser.size(width: width, dark: dark)
                let name = "status-\(width)-\(dark ? "dark" : "light").png"
                #expect(try browser.number("document.documentElement.scrollWidth") <= width, "\(name) sticks out")
                #expect(try browser.text(PageJudge.lowContrast) == "", "\(name): text of little contrast")
                Attachment.record(try browser.screenshot(), named: name)
            }
        }
        #expect(try browser.text(PageJudge.lacks) == "")
        var reached: [String] = []
        for _ in 0..<Int(try browser.text("document.querySelectorAll('a').length"))! {
            try browser.press("Tab")
            reached.append(try browser.text("document.activeElement.tagName + ' ' + document.activeElement.textContent.trim()"))
            #expect(try browser.text("getComputedStyle(document.activeElement).outlineStyle") != "none", "\(reached.last!) shows no focus")
        }
        #expect(reached.first == "A To the pools" && reached.contains("A web") && reached.contains("A web/web-9"), "\(reached)")
    }

    @Test("without scripts the page says the same and comes anew by itself; it asks nobody else for anything")
    func plain() throws {
        let balancer = try balancer()
        let browser = try Chromium(lab)
        try browser.open(address(balancer))
        let sources = try browser.text("performance.getEntriesByType('resource').map(e => new URL(e.name).host).join()")
        #expect(Set(sources.split(separator: ",")) == ["\(try balancer.admin())"])
        try browser.allowScripts(false)
        try browser.open(address(balancer, "/?pool=web"))
        try balancer.lbctl("drain", "web/web-2", "--owner", "amy").succeeded()
        try eventually(within: .seconds(30), "the drain without a script") { try browser.text("document.body?.innerText").contains("by amy") }
    }
}

/// What can be judged of a page by its styles and its tree; each gives what is wrong, or nothing.
enum PageJudge {
    /// Every text against what lies behind it: 4.5, as WCAG 2.2 wants it of small text.
    static let lowContrast = """
        (() => {
          const parts = c => { const m = c.match(/[\\d.]+/g).map(Number); return m.length < 4 ? [...m, 1] : m; };
          const over = (a, b) => a.slice(0, 3).map((v, i) => v * a[3] + b[i] * (1 - a[3])).concat(1);
          const light = c => { const [r, g, b] = c.map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
          const back = e => { let c = [0, 0, 0, 0], up = []; for (let at = e; at; at = at.parentElement) up.push(parts(getComputedStyle(at).backgroundColor)); c = [255, 255, 255, 1]; for (const b of up.reverse()) c = over(b, c); return c; };
          const found = [];
          for (const e of document.querySelectorAll("body *")) {
            if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || !e.checkVisibility() || e.closest("svg")) continue;
            const b = back(e), a = over(parts(getComputedStyle(e).color), b), [x, y] = [light(a), light(b)].sort((p, q) => q - p);
            if ((x + .05) / (y + .05) < 4.5) found.push(e.textContent.slice(0, 30) + " " + ((x + .05) / (y + .05)).toFixed(2));
          }
          return found.join("; ");
        })()
        """

    /// Language, title, landmarks, one first heading, names of sections and pictures, heads of tables, unique ids.
    static let lacks = """
        (() => {
          const found = [], all = s => [...document.querySelectorAll(s)];
          if (document.documentElement.lang !== "en" || !document.title) found.push("language or title");
          for (const s of ["header", "main", "footer", "aside", "h1"]) if (all(s).length !== 1) found.push(s);
          for (const e of all("section")) if (!document.getElementById(e.getAttribute("aria-labelledby"))?.textContent.trim()) found.push("a section without a name");
          for (const e of all("svg")) if (e.getAttribute("aria-hidden") !== "true" && !(e.getAttribute("role") === "img" && e.getAttribute("aria-label"))) found.push("a picture without words");
          for (const e of all("th")) if (!["row", "col"].includes(e.scope)) found.push("a head without scope: " + e.textContent);
          for (const e of all("table")) if (!e.querySelector("thead th")) found.push("a table without heads");
          for (const e of all("a, summary")) if (!e.textContent.trim()) found.push("a link without words");
          for (const e of all(".state")) if (!e.querySelector("svg.m use") || !e.textContent.trim()) found.push("a state told by colour alone: " + e.textContent);
          const ids = all("[id]").map(e => e.id); if (new Set(ids).size !== ids.length) found.push("an id twice");
          for (const e of all("[style], [onclick], style, script:not([src])")) found.push("something in line: " + e.tagName);
          return found.join("; ");
        })()
        """
}
