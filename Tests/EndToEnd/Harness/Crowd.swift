// Thousands of clients on one thread: each holds a connection, and comes back as soon as it is cut.
import Glibc
import Model
import Synchronization
import SystemCalls
import Testing

final class Crowd: Sendable {
    /// What has become of their connections so far.
    struct Fate {
        /// Ended from outside, each with a FIN, and begun anew.
        var cut = 0
        /// Refused or reset, by errno.
        var failures: [Int32: Int] = [:]
        fileprivate(set) var lateness = Lateness(turn: Crowd.turn)
    }

    private let address: SocketAddress
    private let fates = Mutex(Fate())
    private let stopping = StopFlag()
    fileprivate static let turn = Duration.milliseconds(10)

    /// Starts them; they are there when lbd counts so many.
    init(_ lab: Lab, of count: Int, to endpoint: Endpoint) throws {
        address = SocketAddress(endpoint)
        let running = Background { try self.run(count) }
        lab.atEnd {
            self.stopping.raise()
            do { try running.result() } catch { Issue.record(error, "while a crowd came and went") }
        }
    }

    var fate: Fate { fates.withLock { $0 } }

    private func run(_ count: Int) throws {
        var open = Watched()
        while !stopping.isRaised {
            let began = ContinuousClock.now
            if open.count == count { fates.withLock { $0.lateness.look(at: began) } }
            // No more at once than a listener's backlog takes.
            for _ in 0..<min(100, count - open.count) { open.add(try connect()) }
            for place in open.ready(within: .zero) where hasEnded(open.number(at: place)) {
                open.remove(at: place)
                open.add(try connect())
            }
            observe(for: max(.zero, Crowd.turn - (.now - began)))
        }
    }

    private func connect() throws -> Int32 {
        let descriptor = try Sockets.open(for: address)
        if case .failed(let failure) = Sockets.startConnect(descriptor.number, to: address) { throw SystemError("connect", failure) }
        return descriptor.release()
    }

    private func hasEnded(_ number: Int32) -> Bool {
        var bytes: (UInt64, UInt64) = (0, 0)
        switch Sockets.receive(number, into: &bytes, capacity: MemoryLayout.size(ofValue: bytes)) {
        case .bytes, .wouldBlock: return false
        case .end:
            fates.withLock { $0.cut += 1 }
            return true
        case .failed(let failure):
            fates.withLock { $0.failures[failure, default: 0] += 1 }
            return true
        }
    }
}
