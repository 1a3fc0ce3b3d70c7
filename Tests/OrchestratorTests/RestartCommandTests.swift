// The restart command with real processes: each way to end, and nothing left behind.
import EventLoop
import Glibc
import Model
import Rollout
import SystemCalls
import TestSupport
import Testing

@testable import Orchestrator

@Suite struct RestartCommandTests {
    private func run(
        _ arguments: [String], timeout: Duration = .seconds(20), grace: Duration = .seconds(5)
    ) async throws -> StepMachine.RestartEnd {
        try await onLoop { await RestartCommand.run(arguments, timeout: timeout, grace: grace) }
    }

    private func shell(_ script: String) -> [String] { ["sh", "-c", script] }

    @Test func aCommandThatWorks() async throws {
        #expect(try await run(["true"]) == .restarted)
    }

    @Test func aFailureSaysStatusAndOutput() async throws {
        let end = try await run(shell("echo out; echo err >&2; exit 7"))
        #expect(end == .failed(reason: "exit status 7", output: "out\nerr\n"))
    }

    @Test func deathBySignalIsAFailure() async throws {
        #expect(try await run(shell("kill -KILL $$")) == .failed(reason: "killed by SIGKILL", output: ""))
    }

    @Test func aProgramThatIsNotThere() async throws {
        #expect(try await run(["/does/not/exist"])
            == .failed(reason: "it could not be started: spawn /does/not/exist: No such file or directory", output: ""))
    }

    @Test func onlyTheLastOfALongOutputIsKept() async throws {
        let end = try await run(shell("i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done; exit 1"))
        guard case .failed(_, let output) = end else { return #expect(end != .restarted) }
        #expect(output.utf8.count == RestartCommand.outputBytesMax)
        #expect(output.hasSuffix("line 1999\n"))
    }

    @Test func aTimeoutEndsItBySigterm() async throws {
        let end = try await run(shell("echo waiting; sleep 60"), timeout: .milliseconds(300))
        #expect(end == .failed(reason: "not done within 300 ms, ended by SIGTERM", output: "waiting\n"))
    }

    @Test func oneThatIgnoresSigtermIsKilled() async throws {
        // The loop's sleeps die by the group's SIGTERM, the shell does not.
        let end = try await run(
            shell("trap '' TERM; while true; do sleep 60; done"), timeout: .milliseconds(300), grace: .milliseconds(300))
        #expect(end == .failed(reason: "not done within 300 ms, ended by SIGKILL: it took no notice of SIGTERM", output: ""))
    }

    @Test func itsWholeGroupEndsAtATimeout() async throws {
        let end = try await run(shell("trap '' TERM; (sleep 60) & echo $!; trap - TERM; sleep 60"), timeout: .milliseconds(500))
        guard case .failed(_, let output) = end, let child = pid_t(output.dropLast()) else { return #expect(end != .restarted) }
        #expect(try await isGone(child))
    }

    @Test func aDaemonThatHoldsTheOutputIsNotWaitedForAndLivesOn() async throws {
        let path = "/tmp/sluice-test-daemon-\(Processes.own)"
        let begin = Clocks.monotonic()
        let daemon = "(sleep 1; echo still writing; echo $? > \(path); exec sleep 600) & echo $! > \(path).pid"
        #expect(try await run(shell(daemon)) == .restarted)
        #expect(begin.duration(to: Clocks.monotonic()) < .seconds(300))
        let process = try #require(pid_t(String(decoding: try Files.read(path + ".pid", bytesMax: 100), as: UTF8.self).dropLast()))
        defer { kill(process, SIGKILL) }
        // Its write after our end worked: a closed pipe would have killed it.
        let written = try await onLoop { () -> String in
            for _ in 0..<100 {
                await pause(for: .milliseconds(50))
                if let content = contents(of: path), !content.isEmpty { return content }
            }
            return ""
        }
        #expect(written == "0\n")
        try Files.remove(path)
        try Files.remove(path + ".pid")
    }

    @Test func cancellingEndsIt() async throws {
        let end = try await onLoop { () -> StepMachine.RestartEnd in
            let task = start { await RestartCommand.run(["sleep", "60"], timeout: .seconds(60)) }
            await pause(for: .milliseconds(200))
            task.cancel()
            return await task.value
        }
        #expect(end == .failed(reason: "interrupted, ended by SIGTERM", output: ""))
    }

    /// Killed orphans are reaped by init, some time later.
    private func isGone(_ process: pid_t) async throws -> Bool {
        try await onLoop {
            for _ in 0..<100 {
                guard let status = contents(of: "/proc/\(process)/stat") else { return true }
                if status.contains(") Z ") { return true }
                await pause(for: .milliseconds(50))
            }
            return false
        }
    }
}
