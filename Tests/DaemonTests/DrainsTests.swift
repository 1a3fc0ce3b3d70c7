// Drains that somebody waits for. Fault: whoever was woken between the last connection's end and the news of it was told
// that the backend is drained, and not that it is removed.
import ControlProtocol
import EventLoop
import Glibc
import Model
import TestSupport
import Testing

@testable import Daemon

struct DrainsTests {
    @Test("who waits for a backend that is being removed is told of the removal, whatever wakes him")
    func removedMeanwhile() async throws {
        let server = try named("1")
        defer { server.stop() }
        let at = server.endpoint
        try await DaemonUnderTest.with({ try configuration(in: $0, workers: 1, ["a": [at]]) }) { lbd in
            let client = try connect(try await onLoop { try lbd.endpoint() })
            #expect(client.backend == "1")
            try await onLoop {
                let (backend, drains, table) = (try lbd.backend("a/1"), lbd.daemon.handler.drains, lbd.daemon.table)
                try await drains.drain([backend], DrainOrder(backends: [backend.reference], owner: "ann"), by: "amy")
                let told = Told()
                let wait = startThrowing {
                    try await drains.waitUntilEmpty([(backend, backend.configuration.address)], since: LoopClock().now) { told.records.append($0) }
                }
                try await lbd.waitUntil("the wait has begun") { !told.records.isEmpty }
                try lbd.apply { $0.pools[0].backends.removeAll() }
                let generation = table.generation
                #expect(await table.followed(generation))
                client.socket.close()
                // The loop stands still, so that the worker's news waits.
                while backend.holders > 0 { sched_yield() }
                table.changes.announce()
                try await wait.value
                let last = try #require(told.records.last)
                #expect(last.text == "a/1 drained: no connection holds it; it was removed meanwhile")
            }
        }
    }
}

/// What somebody who waits was told; on the loop only.
@ControlPlane private final class Told { var records: [DrainRecord] = [] }
