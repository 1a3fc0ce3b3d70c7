// Signals as something to read. On a thread of its own, whose mask is its own.
import Glibc
import SystemCalls
import TestSupport
import Testing

struct SignalsTests {
    @Test func signalsAreReadOneByOne() async throws {
        try await onThread {
            let descriptor = try Signals.open([SIGUSR1, SIGUSR2])
            #expect(try Signals.next(descriptor.number) == nil)
            pthread_kill(pthread_self(), SIGUSR1)
            pthread_kill(pthread_self(), SIGUSR2)
            let first = try Signals.next(descriptor.number), second = try Signals.next(descriptor.number)
            #expect(Set([first, second]) == [SIGUSR1, SIGUSR2])
            #expect(try Signals.next(descriptor.number) == nil)
        }
    }

    /// Faults: a rollout under nohup that ends with its terminal; lbd behind a script's '&' that no SIGINT reaches.
    @Test func ofThoseIgnoredAtTheStartOnlyHangupStaysSo() async throws {
        try await onThread {
            signal(SIGHUP, SIG_IGN)
            signal(SIGINT, SIG_IGN)
            defer {
                signal(SIGHUP, SIG_DFL)
                signal(SIGINT, SIG_DFL)
            }
            let descriptor = try Signals.open([SIGHUP, SIGINT])
            pthread_kill(pthread_self(), SIGHUP)
            pthread_kill(pthread_self(), SIGINT)
            #expect(try Signals.next(descriptor.number) == SIGINT)
            #expect(try Signals.next(descriptor.number) == nil)
        }
    }

    @Test func names() {
        #expect(Signals.name(SIGTERM) == "SIGTERM")
        #expect(Signals.name(SIGWINCH) == "signal 28")
    }
}

struct LimitsTests {
    @Test func areWithinReason() throws {
        #expect((1...4096).contains(Limits.processors()))
        let limit = try Limits.raiseDescriptors()
        let open = try Limits.openDescriptors()
        #expect(open >= 3 && open < limit)
        #expect(try Limits.raiseDescriptors() == limit)
    }
}

struct ClocksTests {
    @Test func monotonicTimeDoesNotGoBackAndTheCoarseOneFollows() {
        var last = Clocks.monotonic()
        for _ in 0..<1000 {
            let now = Clocks.monotonic()
            #expect(now >= last)
            last = now
        }
        let coarse = Clocks.coarse()
        #expect(coarse <= Clocks.monotonic())
        #expect(coarse.duration(to: last) < .seconds(1))
        // After 2026-01-01, in milliseconds.
        #expect(Clocks.calendar().milliseconds > 1_767_225_600_000)
    }
}
