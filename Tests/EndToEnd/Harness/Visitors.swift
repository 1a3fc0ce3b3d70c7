// Clients that come at a rate, learn where they are and go: one thread for all of them.
import Glibc
import Model
import Synchronization
import SystemCalls

final class Visitors: Sendable {
    struct Visit {
        /// Before its connect.
        let began: ContinuousClock.Instant
        /// Its backend's name had arrived.
        let known: ContinuousClock.Instant
        let backend: String
    }

    struct Report {
        var visits: [Visit] = []
        /// Ended without a backend's name.
        var failed = 0
        var took = Duration.zero

        /// How many a second were served.
        var rate: Double { Double(visits.count) / (took / .seconds(1)) }
    }

    private let address: SocketAddress
    private let perSecond: Atomic<Int>
    private let stopping = StopFlag()
    private let running = Mutex<Background<Report>?>(nil)
    private let newest = Mutex(ContinuousClock.now)
    /// So many at once at most: where the machine does not give the rate, each would wait for all before it.
    private static let openMax = 100

    init(_ lab: Lab, to endpoint: Endpoint, perSecond: Int) {
        address = SocketAddress(endpoint)
        self.perSecond = Atomic(perSecond)
        let work = Background { try self.run() }
        running.withLock { $0 = work }
        lab.atEnd { self.stopping.raise() }
    }

    /// When the latest comer began of those that know where they are.
    var newestBegan: ContinuousClock.Instant { newest.withLock { $0 } }

    /// From now on.
    func come(perSecond rate: Int) { perSecond.store(rate, ordering: .relaxed) }

    /// No more come; those that are there are waited for.
    func stop() throws -> Report {
        stopping.raise()
        guard let work = running.withLock({ $0 }) else { preconditionFailure("started by init") }
        return try work.result()
    }

    private func run() throws -> Report {
        var report = Report()
        var open = Watched()
        var begun: [Int32: ContinuousClock.Instant] = [:]
        let started = ContinuousClock.now
        var due = started
        while !stopping.isRaised || open.count > 0 {
            let interval = Duration.seconds(1) / perSecond.load(ordering: .relaxed)
            // Whom the machine kept for longer than that does not come all at once: that would be a storm of our own.
            due = max(due, .now - .milliseconds(100))
            while due <= .now, open.count < Visitors.openMax, !stopping.isRaised {
                due += interval
                let (number, began) = try connect()
                begun[number] = began
                open.add(number)
            }
            for place in open.ready(within: .milliseconds(1)) {
                let number = open.number(at: place)
                guard let answer = Visitors.answer(on: number), let began = begun[number] else { continue }
                if answer.isEmpty { report.failed += 1 } else { report.visits.append(Visit(began: began, known: .now, backend: answer)) }
                newest.withLock { $0 = max($0, began) }
                open.remove(at: place)
            }
        }
        report.took = .now - started
        return report
    }

    private func connect() throws -> (number: Int32, began: ContinuousClock.Instant) {
        let descriptor = try Sockets.open(for: address)
        let began = ContinuousClock.now
        if case .failed(let failure) = Sockets.startConnect(descriptor.number, to: address) { throw SystemError("connect", failure) }
        return (descriptor.release(), began)
    }

    /// A backend's name, which comes in one piece; empty: its end instead; nil: nothing yet.
    private static func answer(on number: Int32) -> String? {
        var bytes = [UInt8](repeating: 0, count: 64)
        switch bytes.withUnsafeMutableBytes({ Sockets.receive(number, into: $0.baseAddress!, capacity: $0.count) }) {
        case .bytes(let count): return String(decoding: bytes[..<(count - 1)], as: UTF8.self)
        case .wouldBlock: return nil
        case .end, .failed: return ""
        }
    }
}
