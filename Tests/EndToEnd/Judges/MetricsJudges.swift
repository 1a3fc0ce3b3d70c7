// The distribution's own readers of metrics: promtool for Prometheus text and rules, Python's client for OpenMetrics.
import Foundation
import Glibc
import TestSupport
import Testing

enum MetricsJudges {
    private static let openMetricsParser = "/usr/lib/python3/dist-packages/prometheus_client/openmetrics/parser.py"

    /// What promtool says against a text in Prometheus' form; empty: nothing. Lint counts too.
    static func promtool(_ text: String, _ lab: Lab) throws -> String {
        let file = try lab.write("metrics.txt", text)
        let end = try lab.run([try Installed.program("promtool"), "check", "metrics"], within: .seconds(60), prelude: "exec <\"\(file)\"")
        return end.status == 0 && end.text.isEmpty ? "" : "\(end)"
    }

    /// What the reference implementation says against a text in OpenMetrics' form.
    static func openMetrics(_ text: String, _ lab: Lab) throws -> String {
        guard access(openMetricsParser, R_OK) == 0 else { throw HarnessError("Python's OpenMetrics parser is not installed: apt-get install -y python3-prometheus-client") }
        let file = try lab.write("openmetrics.txt", text)
        let program = "import sys; from prometheus_client.openmetrics.parser import text_fd_to_metric_families as parse; print(len(list(parse(sys.stdin))))"
        let end = try lab.run(["/usr/bin/python3", "-c", program], within: .seconds(60), prelude: "exec <\"\(file)\"")
        return end.status == 0 ? "" : "\(end)"
    }
}

extension Balancer {
    private static let openMetricsType = "application/openmetrics-text; version=1.0.0; charset=utf-8"

    /// As Prometheus asks for it.
    func metricsText(isOpenMetrics: Bool = false) throws -> String {
        let accept = isOpenMetrics ? "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1" : "text/plain;version=0.0.4"
        let answer = try get("/metrics", ["Host: 127.0.0.1", "Accept: \(accept)"])
        let type = isOpenMetrics ? Balancer.openMetricsType : "text/plain; version=0.0.4; charset=utf-8"
        guard answer.status == 200, answer.headers["content-type"] == type else { throw HarnessError("/metrics answered \(answer)") }
        return answer.body
    }

    func metrics(isOpenMetrics: Bool = false) throws -> Exposition {
        try Exposition(metricsText(isOpenMetrics: isOpenMetrics), isOpenMetrics: isOpenMetrics)
    }
}
