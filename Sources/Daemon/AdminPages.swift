// What lbd answers over HTTP: which path is what, and who may ask.
import ControlProtocol
import EventLoop
import Model

@ControlPlane final class AdminPages {
    private let readiness: Readiness
    /// The numbers as Prometheus reads them, or by OpenMetrics' rules.
    var metrics: (@ControlPlane (_ openMetrics: Bool) async -> [UInt8])?
    /// Only this host's own programs can connect: then a web page that was loaded from elsewhere must not read ours
    /// through a name that it has made mean 127.0.0.1 (DNS rebinding).
    var checksHost = false

    init(readiness: Readiness) { self.readiness = readiness }

    func answer(_ request: HTTPServer.Request) async -> HTTPServer.Response {
        switch request.method {
        case .get, .head: break
        case .other: return .text(.methodNotAllowed, "only GET and HEAD: nothing can be changed here; see lbctl\n", [("Allow", "GET, HEAD")])
        }
        switch request.path {
        case "/healthz": return .text(.ok, "ok\n")
        case "/readyz": return ready(request)
        case "/metrics": return await numbers(request)
        default: return page(request)
        }
    }

    private func page(_ request: HTTPServer.Request) -> HTTPServer.Response {
        guard mayRead(request.host) else {
            return .text(.forbidden, "the host '\((request.host ?? "").escapedForOneLine)' is neither an address nor localhost: by another name a "
                + "page from elsewhere could read this one; use http://127.0.0.1 or http://localhost\n")
        }
        return .text(.notFound, "there is no such page; there are /, /metrics, /healthz and /readyz\n")
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
        guard let metrics else { return .text(.notFound, "there are no metrics\n") }
        let isOpen = request.accept?.contains("application/openmetrics-text") == true
        return .admin(
            .ok, isOpen ? "application/openmetrics-text; version=1.0.0; charset=utf-8" : "text/plain; version=0.0.4; charset=utf-8",
            await metrics(isOpen))
    }
}

extension HTTPServer.Response {
    /// A browser shows nothing of it but what we serve ourselves, within no other page, and keeps nothing.
    static func admin(
        _ status: Status, _ type: String, _ body: [UInt8], _ more: [(name: String, value: String)] = []
    ) -> HTTPServer.Response {
        HTTPServer.Response(status, headers: more + [
            ("Content-Type", type),
            ("Content-Security-Policy",
                "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
            ("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"), ("Cache-Control", "no-store"),
        ], body: body)
    }

    static func text(_ status: Status, _ text: String, _ more: [(name: String, value: String)] = []) -> HTTPServer.Response {
        admin(status, "text/plain; charset=utf-8", Array(text.utf8), more)
    }
}
