// Children as awaited calls. Fault: an end that nobody is told, so that a rollout waits for a process that is gone.
import EventLoop
import Glibc
import SystemCalls
import TestSupport
import Testing

struct ChildTests {
    @Test func theEndIsAwaited() async throws {
        let end = try await onLoop {
            let child = try ChildProcess(starting: ["sh", "-c", "exit 5"], output: nil)
            return try await child.ended()
        }
        #expect(end == .exited(status: 5))
    }

    @Test func cancellingLeavesTheChildRunning() async throws {
        try await onLoop {
            let child = SharedChild(try ChildProcess(starting: ["sleep", "1000"], output: nil))
            let watch = startThrowing { try await child.process.ended() }
            await pause(for: .milliseconds(2))
            watch.cancel()
            #expect(try await watch.value == nil)
            try child.process.signalGroup(SIGKILL)
            #expect(try await child.process.ended() == .killed(signal: SIGKILL))
        }
    }
}

/// A child that a task and its starter both look at.
private final class SharedChild: Sendable {
    let process: ChildProcess
    init(_ process: consuming ChildProcess) { self.process = process }
}
