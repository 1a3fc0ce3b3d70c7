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

    /// Fault: where we were started without a standard input, a pipe may have its number, and nothing of what the child
    /// printed came.
    @Test func anOutputWithTheNumberOfTheInput() async throws {
        let pipe = try ChildOutput.open()
        let saved = fcntl(0, F_DUPFD_CLOEXEC, 3)
        let end = try await onLoop {
            #expect(dup2(pipe.writeEnd, 0) == 0 && fcntl(0, F_SETFD, FD_CLOEXEC) == 0)
            let child = try ChildProcess(starting: ["echo", "hello"], output: 0)
            #expect(dup2(saved, 0) == 0)
            return try await child.ended()
        }
        #expect(end == .exited(status: 0))
        #expect(ChildOutput.read(pipe.readEnd, bytesMax: 100) == Array("hello\n".utf8))
        for number in [saved, pipe.readEnd, pipe.writeEnd] { close(number) }
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
