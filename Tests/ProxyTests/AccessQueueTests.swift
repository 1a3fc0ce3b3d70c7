// The queue of a worker's records of ended connections. Faults: a wake-up that is lost, and with it the last lines; a
// queue that grows; records that get lost uncounted.
import Glibc
import Model
import SystemCalls
import TestSupport
import Testing

@testable import Proxy

struct AccessQueueTests {
    private func record(_ listener: Int) -> AccessRecord {
        AccessRecord(turnedAway: nil, Ending(by: .client, .denied), listener: listener)
    }

    @Test("a wake-up from empty to not empty only, in order, and what does not fit is counted")
    func queue() throws {
        let queues = try AccessQueues(workers: 2)
        let queue = queues.queues[1]
        #expect(!queue.isOn && !Sockets.isReadable(queues.descriptor))
        queue.put(record(0))
        #expect(Sockets.isReadable(queues.descriptor))
        queues.clearNews()
        for listener in 1..<(AccessQueue.capacity + 3) { queue.put(record(listener)) }
        #expect(!Sockets.isReadable(queues.descriptor))
        #expect(queues.takeLost() == 3 && queues.takeLost() == 0)
        var seen: [Int] = []
        #expect(queues.take(10) { worker, record in seen.append(worker == 1 ? Int(record.listener) : -1) } == 10)
        queue.put(record(AccessQueue.capacity))
        #expect(!Sockets.isReadable(queues.descriptor), "it was not empty")
        while queues.take(.max, { _, record in seen.append(Int(record.listener)) }) > 0 {}
        #expect(seen == Array(0...AccessQueue.capacity))
        queue.put(record(0))
        #expect(Sockets.isReadable(queues.descriptor))
    }

    /// Writer and reader on two threads, the reader asleep whenever there is nothing.
    @Test("no wake-up is lost")
    func wakeups() async throws {
        // Only the reader's thread touches it once both run.
        nonisolated(unsafe) let queues = try AccessQueues(workers: 1)
        let (queue, descriptor, count) = (queues.queues[0], queues.descriptor, 100_000)
        // On threads of their own: who waits here holds up no other test.
        try await onThreads(2) { thread in
            guard thread == 0 else {
                // Sometimes slower, sometimes quicker than the reader.
                for number in 0..<count {
                    queue.put(self.record(number))
                    if number % 7 == 0 { sched_yield() }
                }
                return
            }
            var (next, lost) = (0, 0)
            while next + lost < count {
                var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                let woken = poll(&entry, 1, 20_000)
                #expect(woken == 1, "after \(next) of \(count), \(lost) lost")
                guard woken == 1 else { break }
                queues.clearNews()
                while queues.take(50, { _, _ in next += 1 }) > 0 {}
                lost += queues.takeLost()
            }
            #expect(next + lost == count)
        }
    }

    /// Fault: by a clock of 4 ms a connection of 3 ms lasts none, and its first byte comes before its backend's accept.
    @Test("times of short connections are exact to the millisecond")
    func exactTimes() async throws {
        try await onThread {
            let backend = try TestBackend { connection in
                poll(nil, 0, 3)
                try connection.send([1])
                _ = connection.receiveAll()
                connection.finish()
            }
            defer { backend.stop() }
            let plane = try TestPlane(workers: 1)
            plane.plane.access.turn(on: true)
            try plane.route([backend.endpoint])
            let endpoint = try plane.listen()
            var spans: [Int64] = []
            for _ in 0..<20 {
                let began = Clocks.monotonic().nanoseconds
                let client = try BlockingSocket.connect(to: endpoint)
                _ = client.receive(exactly: 1)
                poll(nil, 0, 3)
                client.finish()
                _ = client.receiveAll()
                spans.append(Clocks.monotonic().nanoseconds - began)
            }
            try plane.waitUntilEmpty()
            var records: [AccessRecord] = []
            while plane.plane.access.take(.max, { _, record in records.append(record) }) > 0 {}
            try #require(records.count == spans.count)
            for (record, span) in zip(records, spans) {
                let (connected, firstByte) = (try #require(record.connected), try #require(record.firstByte))
                #expect(record.duration >= 6_000_000 && record.duration <= span, "\(record.duration) of \(span) ns")
                #expect(firstByte >= 3 && firstByte >= connected && Int64(firstByte) <= record.duration / 1_000_000, "\(record)")
            }
        }
    }
}
