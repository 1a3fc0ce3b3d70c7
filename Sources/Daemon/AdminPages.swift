// What lbd answers over HTTP: which path is what, and who may ask.
import ControlProtocol
import EventLoop
import Model

@ControlPlane final class AdminPages {
    private let readiness: Readiness
    private let status: StatusPage
    private let handler: CommandHandler
    private let metrics: MetricsPage
    /// Only this host's own programs can connect: then a web page that was loaded from elsewhere must not read ours
    /// through a name that it has made mean 127.0.0.1 (DNS rebinding).
    var checksHost = false

    init(_ handler: CommandHandler, _ listeners: Listeners, _ history: History, _ metrics: MetricsText) {
        self.handler = handler
        self.metrics = MetricsPage(metrics)
        readiness = Readiness(table: handler.table, listeners: listeners, handler: handler)
        status = StatusPage(handler, readiness, history)
    }

    /// When too many others are being answered.
    static let busy = HTTPServer.Response.text(.serviceUnavailable, "too many ask at once; try again in a second\n", [("Retry-After", "1")])

    /// Of each answer. A browser shows nothing of it but what we serve ourselves, within no other page, and keeps nothing.
    static let headers = [
        ("Content-Security-Policy",
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
        ("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"), ("Cache-Control", "no-store"),
    ]

    func answer(_ request: HTTPServer.Request) async -> HTTPServer.Response {
        if let response = answerAtOnce(request) { return response }
        return request.path == "/metrics" ? await numbers(request) : await overview(request)
    }

    /// What takes next to no work, and is answered however many ask; nil: the rest.
    func answerAtOnce(_ request: HTTPServer.Request) -> HTTPServer.Response? {
        switch request.method {
        case .get, .head: break
        case .other: return .text(.methodNotAllowed, "only GET and HEAD: nothing can be changed here; see lbctl\n", [("Allow", "GET, HEAD")])
        }
        switch request.path {
        case "/healthz": return .text(.ok, "ok\n")
        case "/readyz": return ready(request)
        case "/metrics": return nil
        default: return page(request)
        }
    }

    private func page(_ request: HTTPServer.Request) -> HTTPServer.Response? {
        guard mayRead(request.host) else {
            return .text(.forbidden, "the host '\((request.host ?? "").escapedForOneLine)' is neither an address nor localhost: by another name a "
                + "page from elsewhere could read this one; use http://127.0.0.1 or http://localhost\n")
        }
        switch request.path {
        case "/": return nil
        case "/style.css": return .admin(.ok, "text/css; charset=utf-8", Array(PageStyle.css.utf8))
        case "/script.js": return .admin(.ok, "text/javascript; charset=utf-8", Array(PageScript.javaScript.utf8))
        default: return .text(.notFound, "there is no such page; there are /, /metrics, /healthz and /readyz\n")
        }
    }

    /// `pool=NAME` is about one pool, `from=N` about its backends from there on.
    private func overview(_ request: HTTPServer.Request) async -> HTTPServer.Response {
        var (pool, from) = (nil as PoolName?, 0)
        for part in request.query?.split(separator: "&") ?? [] {
            if part.hasPrefix("pool=") { pool = PoolName(unchecked: String(part.dropFirst(5))) }
            if part.hasPrefix("from=") { from = Int(part.dropFirst(5)).map { max(0, min($0, BalancerConfiguration.backendsMax)) } ?? 0 }
        }
        let known = pool.map(handler.table.pool)
        let subject = known.map { pool in pool.map { StatusPage.Subject($0, from: from) } ?? .missing } ?? .all
        guard let page = await status.page(of: subject) else { return .text(.serviceUnavailable, "lbd is ending\n") }
        if case .missing = subject { return .admin(.notFound, "text/html; charset=utf-8", page) }
        return .admin(.ok, "text/html; charset=utf-8", page)
    }

    private func mayRead(_ host: String?) -> Bool {
        guard checksHost, let host else { return true }
        let bare = host.hasPrefix("[") && host.hasSuffix("]") ? String(host.dropFirst().dropLast()) : host
        return bare.lowercased() == "localhost" || IPAddress(bare) != nil
    }

    private func ready(_ request: HTTPServer.Request) -> HTTPServer.Response {
        let report = readiness.report
        let status: HTTPServer.Response.Status = report.ready ? .ok : .serviceUnavailable
        if request.query == "format=json" || request.accept?.contains("application/json") == true {
            return .admin(status, "application/json", Array((JSONText.line(report) + "\n").utf8))
        }
        return .text(status, report.ready ? "ready\n" : report.reasons.map { $0 + "\n" }.joined())
    }

    private func numbers(_ request: HTTPServer.Request) async -> HTTPServer.Response {
        let form = ExpositionForm(accept: request.accept)
        guard let page = await metrics.page(form) else { return .text(.serviceUnavailable, "lbd is ending\n") }
        return .admin(.ok, form.contentType, page)
    }
}

extension HTTPServer.Response {
    static func admin(
        _ status: Status, _ type: String, _ body: SharedBytes, _ more: [(name: String, value: String)] = []
    ) -> HTTPServer.Response {
        HTTPServer.Response(status, headers: more + [("Content-Type", type)], body: body)
    }

    fileprivate static func admin(_ status: Status, _ type: String, _ body: [UInt8]) -> HTTPServer.Response { admin(status, type, SharedBytes(body)) }

    static func text(_ status: Status, _ text: String, _ more: [(name: String, value: String)] = []) -> HTTPServer.Response {
        admin(status, "text/plain; charset=utf-8", SharedBytes(Array(text.utf8)), more)
    }
}
