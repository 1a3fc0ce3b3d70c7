// The metrics of a daemon in this process. Faults: a text that a monitoring system refuses as a whole; a total that goes
// down; a sum that nobody can explain; a label of which clients make more.
import EventLoop
import Foundation
import Model
import SystemCalls
import TestSupport
import Testing

@testable import Daemon

extension DaemonUnderTest {
    func metrics(_ form: ExpositionForm = .prometheus) async throws -> Exposition {
        let text = String(decoding: try await daemon.metrics.text(form), as: UTF8.self)
        return try Exposition(text, isOpenMetrics: form == .openMetrics)
    }
}

struct MetricsTests {
    @Test("each metric is declared once, by the rules of names, and says what it is")
    func declarations() {
        let all = Metric.all
        #expect(Set(all.map(\.name)).count == all.count)
        for metric in all {
            #expect(metric.name.wholeMatch(of: /(lb|process)(_[a-z]+)+/) != nil, "\(metric.name)")
            #expect(metric.name.hasSuffix("_total") == (metric.kind == .counter), "\(metric.name)")
            #expect(metric.name.hasSuffix("_info") == (metric.kind == .info), "\(metric.name)")
            let unit = metric.unit.map { "_\($0.rawValue)" } ?? ""
            #expect(metric.name.hasSuffix(unit + (metric.kind == .counter ? "_total" : "")), "\(metric.name)")
            #expect(metric.help.hasSuffix(".") && metric.help.count < 160 && !metric.help.contains("\n"), "\(metric.name): \(metric.help)")
        }
    }

    @Test("both forms hold the same series, each family with the labels that it declares", arguments: ExpositionForm.allCases)
    func forms(_ form: ExpositionForm) async throws {
        let server = try named("1")
        defer { server.stop() }
        try await DaemonUnderTest.with({ try configuration(in: $0, ["a": [server.endpoint]]) { $0.pools[0].backends[0].connectionsMax = 5 } }) { lbd in
            let client = try connect(try await onLoop { try lbd.endpoint() })
            try greet(client.socket)
            let (metrics, text) = try await onLoop { (try await lbd.metrics(form), try await lbd.metrics()) }
            #expect(Set(metrics.samples.map(\.series)) == Set(text.samples.map(\.series)))
            for metric in Metric.all {
                let family = try #require(metrics.families.first { metric.head(form).contains(" \($0.name) ") })
                #expect(!family.help!.isEmpty)
                for sample in family.samples { #expect(sample.labelNames.filter { $0 != "le" } == metric.labels, "\(sample)") }
            }
            #expect(metrics.families.count == Metric.all.count)
            #expect(metrics.value("lb_build_info", ["version": sluiceVersion]) == 1)
            #expect(metrics.value("lb_backend_connections", ["pool": "a", "backend": "1"]) == 1)
            #expect(metrics.value("lb_backend_connections_max", ["pool": "a", "backend": "1"]) == 5)
            #expect(metrics.value("lb_backend_bytes_total", ["pool": "a", "backend": "1", "direction": "to-client"]) == 2)
            #expect(metrics.value("lb_backend_availability", ["pool": "a", "backend": "1", "state": "available"]) == 1)
            #expect(metrics.sum("lb_backend_availability") == 1)
        }
    }

    @Test("a label's value is escaped, and numbers are exact")
    func samples() throws {
        var samples = Samples()
        samples.begin(try #require(ProcessReading.families.first { $0.metric.name == "process_cpu_seconds_total" }).metric, .prometheus)
        samples.begin(row: Labels(["a": "x\"y\\z\n"]))
        samples.add(UInt64.max)
        samples.add(-12, Labels(["b": "1"]))
        samples.add(nanoseconds: 1_020_000_000, Labels(["b": "2"]))
        samples.add(nanoseconds: 7, Labels(["b": "3"]))
        samples.add(Timestamp(milliseconds: 1_700_000_000_120), Labels(["b": "4"]))
        let lines = String(decoding: samples.bytes, as: UTF8.self).split(separator: "\n").dropFirst(2)
        #expect(lines == [
            #"process_cpu_seconds_total{a="x\"y\\z\n"} 18446744073709551615"#, #"process_cpu_seconds_total{a="x\"y\\z\n",b="1"} -12"#,
            #"process_cpu_seconds_total{a="x\"y\\z\n",b="2"} 1.02"#, #"process_cpu_seconds_total{a="x\"y\\z\n",b="3"} 0.000000007"#,
            #"process_cpu_seconds_total{a="x\"y\\z\n",b="4"} 1700000000.12"#,
        ])
    }

    @Test("the form is the one that is asked for", arguments: [
        ("", ExpositionForm.prometheus), ("*/*", .prometheus), ("text/plain;version=0.0.4", .prometheus), ("application/openmetrics-text", .openMetrics),
        ("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", .openMetrics),
        ("application/openmetrics-text; version=1.0.0; q=0.2, text/plain; q=0.9", .prometheus), ("application/openmetrics-text;version=0.0.1", .prometheus),
        ("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;q=0.5", .openMetrics),
    ])
    func negotiation(_ accept: String, _ form: ExpositionForm) {
        #expect(ExpositionForm(accept: accept) == form)
    }

    @Test("counts of histograms are cut at borders of their buckets")
    func histogram() throws {
        var times = TimeCounts()
        // 1.024 µs is the first bound's border: not below it.
        for nanoseconds: Int64 in [0, 1_023, 1_024, 5_000, 1_000_000_000, .max] {
            times.counts[TimeBuckets.index(of: nanoseconds)] += 1
            times.sum &+= UInt64(nanoseconds / 1000)
        }
        var samples = Samples()
        samples.begin(Metric(name: "t_seconds", kind: .histogram, unit: .seconds, labels: [], help: "T."), .openMetrics)
        samples.begin(row: .none)
        samples.add(times, TimeBounds(from: 1_024, to: 1_024 << 20, times: 32))
        samples.bytes += "# EOF\n".utf8
        let text = try Exposition(String(decoding: samples.bytes, as: UTF8.self), isOpenMetrics: true)
        #expect(text.samples.filter { $0.name == "t_seconds_bucket" }.map { "\($0.labels["le"]!) \(Int($0.value))" } == [
            "1.024e-06 2", "3.2768e-05 4", "0.001048576 4", "0.033554432 4", "1.073741824 5", "+Inf 6",
        ])
        #expect(text.value("t_seconds_count") == 6)
    }

    @Test("an overload is told with its cause while it lasts")
    func overloads() async throws {
        let server = try named("1")
        defer { server.stop() }
        try await DaemonUnderTest.with({
            try configuration(in: $0, ["a": [server.endpoint], "b": [server.endpoint]]) {
                $0.listeners[0].connectionsMax = 1
                $0.pools[1].backends[0].connectionsMax = 1
            }
        }) { lbd in
            let (first, second) = try await onLoop { (try lbd.endpoint("a"), try lbd.endpoint("b")) }
            let clients = [try connect(first).socket, try connect(second).socket, try BlockingSocket.connect(to: first)]
            try await onLoop { try await lbd.overloads(["a listener-full", "b pool-full"]) }
            for client in clients { client.close() }
            try await onLoop { try await lbd.overloads([]) }
        }
    }
}

extension DaemonUnderTest {
    fileprivate func overloads(_ wanted: Set<String>) async throws {
        let clock = LoopClock()
        let deadline = clock.now.advanced(by: Patience.limit)
        while true {
            let found = try await metrics().samples.filter { $0.name == "lb_overload" && $0.value == 1 }
            let causes = Set(found.map { "\($0.labels["listener"]!) \($0.labels["cause"]!)" })
            guard causes != wanted, clock.now < deadline else {
                #expect(causes == wanted)
                return
            }
            await pause(for: .milliseconds(10))
        }
    }
}
