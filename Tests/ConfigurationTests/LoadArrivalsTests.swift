// What a listener takes of new connections, as the file says it. Fault: a limit that is read and does not hold.
import Configuration
import Model
import Testing

/// The good file with further lines in its listener.
private func listener(_ lines: String...) -> String {
    changed("pool: web", (["pool: web"] + lines).joined(separator: "\n    "))
}

struct LoadArrivalsTests {
    @Test("left out: nothing is limited")
    func defaults() throws {
        #expect(try load(goodFile).listeners[0].rules.arrivals == ArrivalLimits())
    }

    @Test("what is written arrives; the burst is a second's worth where it is left out")
    func values() throws {
        let limits = try load(listener(
            "source-connections-max: 20", "rate: { per-second: 50, burst: 10 }", "source-rate: { per-second: 5 }")).listeners[0].rules.arrivals
        #expect(limits == ArrivalLimits(
            rate: ConnectionRate(perSecond: 50, burst: 10),
            sourceRate: SourceRate(rate: ConnectionRate(perSecond: 5, burst: 5), ipv4Prefix: 32, ipv6Prefix: 64, tableMax: 65_536),
            sourceConnectionsMax: 20))
        let source = try load(listener(
            "source-rate: { per-second: 5, burst: 7, ipv4-prefix: 24, ipv6-prefix: 48, table-max: 1024 }")).listeners[0].rules.arrivals.sourceRate
        #expect(source == SourceRate(rate: ConnectionRate(perSecond: 5, burst: 7), ipv4Prefix: 24, ipv6Prefix: 48, tableMax: 1024))
    }

    @Test("bad limits", arguments: [
        ("source-connections-max: 0", "6:29: 'source-connections-max' of listener 'web' is '0'; write a whole number from 1 to 1000000"),
        ("rate: 50", "6:11: 'rate' of listener 'web' is the text '50'; write a mapping such as { per-second: 100 }"),
        ("rate: { burst: 5 }", "6:5: 'rate' of listener 'web' has no 'per-second'; add per-second: 100"),
        ("rate: { per-second: 5, table-max: 1024 }", "6:28: unknown key 'table-max' in 'rate' of listener 'web'; it belongs in listeners.NAME.source-rate.table-max"),
        ("source-rate: { per-second: 5, ipv6-prefix: 0 }", "6:48: 'ipv6-prefix' of 'source-rate' of listener 'web' is '0'; write a whole number from 1 to 128"),
    ])
    func bad(line: String, error: String) {
        #expect(errors(listener(line)) == ["lb.yaml:" + error])
    }

    @Test("a Unix socket's clients have no address to count; its rate is as good as any")
    func unix() {
        let unix = { (line: String) in changed("bind: 127.0.0.1:8080\n    pool: web", "bind: unix:a\n    pool: web\n    \(line)") }
        for name in ["source-connections-max", "source-rate"] {
            let line = name == "source-rate" ? "source-rate: { per-second: 5 }" : "source-connections-max: 5"
            #expect(errors(unix(line)) == [
                "lb.yaml:6:5: '\(name)' of listener 'web' judges addresses and clients of a Unix socket have none; take '\(name)' out, the folder's mode says who may connect"
            ])
        }
        #expect(errors(unix("rate: { per-second: 5 }")) == [])
    }
}
