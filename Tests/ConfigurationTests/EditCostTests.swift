// What a change costs at 1,000 backends. Fault: a command that loads all of the configuration again, and with it holds
// up everything else that the control plane has to do.
import Glibc
import Model
import Testing

@testable import Configuration

struct EditCostTests {
    /// CPU seconds of this thread.
    private func cpu() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    @Test("a change among 1,000 backends in 50 pools costs a small part of loading them all")
    func change() throws {
        let pools = (1...50).map { pool in
            "  p\(pool):\n    backends:\n" + (1...20).map { "      b\($0): { address: 10.0.\(pool).\($0):80, weight: 2 }\n" }.joined()
        }
        let listeners = (1...50).map { "  l\($0): { bind: 127.0.0.1:\($0), pool: p\($0) }\n" }
        let text = "control: a\nlisteners:\n\(listeners.joined())pools:\n\(pools.joined())"
        let start = cpu()
        var current = try loaded(text)
        let whole = cpu() - start
        var costs: [Double] = []
        for round in 0..<200 {
            let pool = PoolName(unchecked: "p\(round % 50 + 1)")
            let one = ConfigurationSubject.backend(BackendReference(pool: pool, backend: BackendName(unchecked: "b7")))
            let start = cpu()
            let edited = try current.edited(by: [
                round % 2 == 0 ? .set(one, [Setting(key: "weight", value: "\(round % 200 + 3)")])
                    : .set(.pool(pool), [Setting(key: "health.interval", value: "\(round + 10)s")]),
            ])
            let changes = difference(from: current.document, to: edited.document)
            costs.append(cpu() - start)
            #expect(changes.count == 1)
            current = edited
        }
        costs.sort()
        #expect(costs[100] < whole / 10, "median \(costs[100]) s, the whole \(whole) s")
        expectRoundTrip(current)
    }

    @Test("thousands of backends removed by one command cost no more than loading them: not each of them a copy of all")
    func removal() throws {
        let backends = (1...4000).map { "      b\($0): 10.0.\($0 / 250).\($0 % 250 + 1):80\n" }.joined()
        let start = cpu()
        let all = try loaded("control: a\nlisteners:\n  web: { bind: 127.0.0.1:1, pool: web }\npools:\n  web:\n    backends:\n\(backends)")
        let whole = cpu() - start
        let pool = PoolName(unchecked: "web")
        let names = (1...4000).filter { $0 % 10 != 0 }
        let edits = names.map { ConfigurationEdit.remove(.backend(BackendReference(pool: pool, backend: BackendName(unchecked: "b\($0)")))) }
        let before = cpu()
        let edited = try all.edited(by: edits)
        let cost = cpu() - before
        #expect(edited.configuration.pools[0].backends.count == 400)
        #expect(cost < whole * 2, "\(cost) s, the whole \(whole) s")
        #expect(throws: ConfigurationEditError.self) { try all.edited(by: [edits[0], edits[1], edits[0]]) }
    }
}
