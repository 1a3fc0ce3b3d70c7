// The metrics' own description, made from their declarations: Config/metrics.md.

/// As Markdown.
func metricsReference() -> String {
    var lines = [
        "# Metrics", "",
        "What `/metrics` of lbd tells, made from the declarations in Sources/Daemon; `WRITE_REFERENCE=1 swift test --filter",
        "metricsReferenceIsGenerated` writes this file anew. Labels hold names of the configuration and fixed words only: no client",
        "can make series. A total never goes down while lbd runs; a series ends with what it tells of, and counts on when that",
        "comes back by the same name. Histograms are by pool and not by backend: a bucket for each backend would be 20,000 series",
        "for a thousand of them. Their bounds are 1.024 µs times a power of two, where lbd's own buckets begin.", "",
        "With quiet traffic `sum(lb_backend_connections)` and those in line (`lb_pool_queued`, `lb_pool_held`) make",
        "`sum(lb_listener_connections)`; `sum(lb_backend_connections_total)` and those that ended without a backend make",
        "`sum(lb_listener_connections_total)`. While connections come and go the listeners' are the newer: backends are read first.", "",
        "| metric | type | labels | meaning |", "| --- | --- | --- | --- |",
    ]
    lines += Metric.all.map { metric in
        "| `\(metric.name)` | \(metric.kind.rawValue) | \(metric.labels.joined(separator: ", ")) | \(metric.help) |"
    }
    return lines.joined(separator: "\n") + "\n"
}
