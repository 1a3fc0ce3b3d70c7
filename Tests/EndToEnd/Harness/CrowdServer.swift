// A backend for thousands of connections on one thread, which knows when each of them came.
import Glibc
import Model
import Synchronization
import SystemCalls
import Testing

final class CrowdServer: Sendable {
    enum Manner {
        /// Holds each connection until its client ends it.
        case holds
        /// Ends it at once.
        case leaves
    }

    let endpoint: Endpoint
    private let greeting: [UInt8]
    private let manner: Manner
    private let listener: Descriptor
    private let stopping = StopFlag()
    private let seen = Mutex(Seen())
    private static let turn = Duration.milliseconds(20)

    private struct Seen {
        var arrivals: [ContinuousClock.Instant] = []
        var lateness = Lateness(turn: CrowdServer.turn)
    }

    /// Says its name on a line to everybody who comes.
    init(_ lab: Lab, named name: String, _ manner: Manner) throws {
        greeting = Array((name + "\n").utf8)
        self.manner = manner
        listener = try Sockets.bind(.loopback(0))
        try Sockets.listen(listener.number, backlog: 4096)
        endpoint = try Sockets.localEndpoint(of: listener.number)
        let running = Background { self.run() }
        lab.atEnd {
            self.stopping.raise()
            do { try running.result() } catch { Issue.record(error, "while a server was stopped") }
        }
    }

    /// When each connection was accepted.
    var arrivals: [ContinuousClock.Instant] { seen.withLock { $0.arrivals } }
    /// The longest that its thread was kept from looking.
    var lateness: Duration { seen.withLock { $0.lateness.most } }

    private func run() {
        var held = Watched()
        var lastSweep = ContinuousClock.now
        var entry = pollfd(fd: listener.number, events: Int16(POLLIN), revents: 0)
        while !stopping.isRaised {
            poll(&entry, 1, Int32(CrowdServer.turn.wholeMilliseconds))
            let now = ContinuousClock.now
            seen.withLock { $0.lateness.look(at: now) }
            acceptAll(into: &held)
            guard now - lastSweep > .milliseconds(100) else { continue }
            lastSweep = now
            for place in held.ready(within: .zero) where CrowdServer.hasEnded(held.number(at: place)) { held.remove(at: place) }
        }
    }

    private func acceptAll(into held: inout Watched) {
        while true {
            let (number, _) = Sockets.accept(on: listener.number)
            guard number >= 0 else { return }
            seen.withLock { $0.arrivals.append(.now) }
            _ = Sockets.send(number, from: greeting, count: greeting.count)
            switch manner {
            case .holds: held.add(number)
            case .leaves: close(number)
            }
        }
    }

    private static func hasEnded(_ number: Int32) -> Bool {
        var byte: UInt8 = 0
        switch Sockets.receive(number, into: &byte, capacity: 1) {
        case .bytes, .wouldBlock: return false
        case .end, .failed: return true
        }
    }
}

extension [ContinuousClock.Instant] {
    /// Of these moments, the most within any one second.
    var mostInASecond: Int {
        let times = sorted()
        var most = 0, start = 0
        for (index, time) in times.enumerated() {
            while time - times[start] >= .seconds(1) { start += 1 }
            most = Swift.max(most, index - start + 1)
        }
        return most
    }
}
