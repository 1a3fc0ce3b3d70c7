// Work beside the loop. Faults: a thread for each of many writes, one that hangs and keeps the others waiting, threads
// that never end.
import EventLoop
import Glibc
import Model
import Synchronization
import SystemCalls
import TestSupport
import Testing

@Suite(.serialized) struct BackgroundTests {
    /// The threads that have carried something out.
    private final class Seen: Sendable {
        private let threads = Mutex<Set<UInt>>([])
        func note() { threads.withLock { _ = $0.insert(UInt(pthread_self())) } }
        var count: Int { threads.withLock { $0.count } }
    }

    private final class Gate: Sendable { let isOpen = Atomic(false) }

    @Test func oneAfterTheOtherSharesAThread() async throws {
        let seen = Seen()
        try await onLoop {
            for _ in 0..<50 { try await inBackground { seen.note() } }
        }
        // Others may have been asked for elsewhere meanwhile.
        #expect(seen.count < 10, "\(seen.count) threads for 50 jobs in a row")
    }

    @Test func oneThatHangsKeepsNoOtherWaiting() async throws {
        try await onLoop {
            let gate = Gate()
            let hanging = startThrowing {
                try await inBackground { while !gate.isOpen.load(ordering: .acquiring) { poll(nil, 0, 1) } }
            }
            for _ in 0..<20 { try await inBackground {} }
            gate.isOpen.store(true, ordering: .releasing)
            try await hanging.value
        }
    }

    @Test func aFailureIsItsCallers() async throws {
        try await onLoop {
            do throws(SystemError) {
                try await inBackground { () throws(SystemError) in throw SystemError("fsync", EIO) }
                Issue.record("it failed")
            } catch {
                #expect(error.errorNumber == EIO)
            }
        }
    }
}
