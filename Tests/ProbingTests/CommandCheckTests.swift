// Checks by command with real processes. Faults: a check that hangs and holds lbd up, children of it that outlive it, zombies,
// an output that fills the memory or stops the command, more and more of them at once.
import Decisions
import EventLoop
import Foundation
import Glibc
import Model
import SystemCalls
import TestSupport
import Testing

@testable import Probing

@Suite(.serialized) struct CommandCheckTests {
    private func run(_ words: [String], timeout: Duration = Patience.limit) async throws -> ProbeResult {
        let target = ProbeTarget(try BackendReference("web/web-1"), at: try Endpoint("127.0.0.1:9001"))
        return try await onLoop { await CommandCheck.run(words, for: target, timeout: timeout) }
    }

    private func shell(_ script: String, timeout: Duration = Patience.limit) async throws -> ProbeResult {
        try await run(["sh", "-c", script], timeout: timeout)
    }

    @Test func exitStatusZeroIsUp() async throws {
        #expect(try await run(["true"]) == .success)
        #expect(try await run(["test", "{pool}/{backend} {address} {host} {port}", "=", "web/web-1 127.0.0.1:9001 127.0.0.1 9001"]) == .success)
    }

    @Test func aFailureSaysItsStatusAndItsLastLine() async throws {
        #expect(try await shell("echo trying; echo 'no database' >&2; exit 3")
            == .failure(reason: "command: exit status 3: no database"))
        #expect(try await run(["false"]) == .failure(reason: "command: exit status 1"))
        #expect(try await shell("kill -KILL $$") == .failure(reason: "command: killed by SIGKILL"))
    }

    @Test func aProgramThatIsNotThereIsAFailure() async throws {
        #expect(try await run(["/does/not/exist"])
            == .failure(reason: "command: spawn /does/not/exist: No such file or directory"))
    }

    @Test func aUnixSocketHasNoPort() async throws {
        let target = ProbeTarget(try BackendReference("web/web-1"), at: .unix(path: "/run/x"))
        let result = try await onLoop { await CommandCheck.run(["x", "{port}"], for: target, timeout: .seconds(1)) }
        guard case .failure(let reason) = result else { return #expect(result != .success) }
        #expect(reason.hasPrefix("command: {port} has no value for web/web-1"))
    }

    /// Its shell, its child in the background and that one's child: whoever stays in the group.
    @Test func oneThatHangsIsKilledWithAllItStarted() async throws {
        let script = "trap '' TERM HUP; (sleep 600 & echo $! >&2; sleep 600) & echo $$ $!; wait"
        let result = try await shell("echo still; " + script, timeout: .seconds(5))
        guard case .failure(let reason) = result else { return #expect(result != .success) }
        #expect(reason.hasPrefix("command: not done within 5.0 s: "), "\(reason)")
        let last = reason.split(separator: " ").last.flatMap { pid_t($0) }
        #expect(try await isGone(try #require(last)))
        #expect(try await noChildIsLeft())
    }

    /// Else each probe would leave one more.
    @Test func whatASuccessLeavesBehindIsKilledToo() async throws {
        #expect(try await shell("sleep 600 & echo $! > /tmp/sluice-test-left-\(getpid())") == .success)
        let file = "/tmp/sluice-test-left-\(getpid())"
        let left = try #require(contents(of: file).flatMap { pid_t($0.dropLast()) })
        try Files.remove(file)
        #expect(try await isGone(left))
        #expect(try await noChildIsLeft())
    }

    @Test func whoPrintsWithoutEndIsReadAndForgotten() async throws {
        #expect(try await shell("head -c 3000000 /dev/zero | tr '\\0' x; echo; echo last; exit 1") == .failure(reason: "command: exit status 1: last"))
        let endless = try await shell("yes", timeout: .seconds(2))
        #expect(endless == .failure(reason: "command: not done within 2.0 s: y"))
    }

    /// What lbd blocks or ignores, a check does not inherit; nor our descriptors.
    @Test func itStartsWithDefaultSignalsAndNoDescriptorOfOurs() async throws {
        #expect(try await shell("grep -Eq '^SigBlk:\\s*0+$' /proc/self/status") == .success)
        #expect(try await shell("grep -Eq '^SigIgn:\\s*0+$' /proc/self/status") == .success)
        let held = try Files.open("/dev/null", O_RDONLY)
        #expect(held.number > 2)
        // 0, 1, 2 and the one that ls reads the folder by.
        #expect(try await shell("test $(ls /proc/self/fd | wc -l) -le 4") == .success)
    }

    @Test func noMoreThanThirtyTwoAtOnce() async throws {
        let targets = try (0..<5).map { ProbeTarget(try BackendReference("pool-\($0)/web-1"), at: try Endpoint("127.0.0.1:9001")) }
        let most = try await onLoop { () -> Int in
            let tasks = (0..<80).map { index in start { await CommandCheck.run(["sleep", "2"], for: targets[index % 5], timeout: Patience.limit) } }
            var most = 0
            let watch = start {
                while !Task.isCancelled {
                    most = max(most, children().count)
                    await pause(for: .milliseconds(10))
                }
            }
            for task in tasks { #expect(await task.value == .success) }
            watch.cancel()
            return most
        }
        #expect(most <= 32 && most > 16, "\(most) ran at once")
        #expect(try await noChildIsLeft())
    }

    /// Fault: one pool's hanging commands have all the places, and another's probes wait for their timeouts.
    @Test func onePoolsHangingCommandsKeepNoOtherWaiting() async throws {
        let (slow, quick) = (try BackendReference("slow/web-1"), try BackendReference("quick/web-1"))
        let address = try Endpoint("127.0.0.1:9001")
        try await onLoop {
            let hanging = (0..<60).map { _ in
                start { await CommandCheck.run(["sleep", "3600"], for: ProbeTarget(slow, at: address), timeout: .seconds(3600)) }
            }
            var isCut = false
            let impatience = start {
                guard await pause(for: Patience.limit) else { return }
                isCut = true
                for task in hanging { task.cancel() }
            }
            let result = await CommandCheck.run(["true"], for: ProbeTarget(quick, at: address), timeout: Patience.limit * 2)
            #expect(result == .success && !isCut)
            impatience.cancel()
            for task in hanging { task.cancel() }
            for task in hanging { #expect(await task.value == .inconclusive(reason: "command: cancelled")) }
        }
        #expect(try await noChildIsLeft())
    }

    /// Fault: a program on a file server that does not answer holds whoever starts it, and lbd did that on its loop. Here
    /// a lease on the file makes the kernel wait as such a server would.
    @Test func aProgramThatCannotBeLoadedHoldsNobodyUp() async throws {
        let folder = try TemporaryFolder()
        let program = folder.path + "/check"
        do {
            let file = try Files.open(program, O_WRONLY | O_CREAT, 0o755)
            try Files.write(Array("#!/bin/sh\nexit 0\n".utf8), to: file.number)
        }
        let lease = try FileLease(on: program)
        let result = try await run([program], timeout: .milliseconds(300))
        #expect(result == .failure(reason: "command: not done within 300 ms: its program is still not loaded"))
        #expect(try await run(["true"]) == .success)
        lease.end()
        // What starts after all is ended.
        #expect(try await noChildIsLeft())
        #expect(try await run([program]) == .success)
    }

    /// Fault: probes that wait without end for places which never become free find nothing, and a dead pool counts as up.
    @Test func whereAllPlacesAreStuckTheCheckHasFailed() async throws {
        let folder = try TemporaryFolder()
        let program = folder.file("check")
        do {
            let file = try Files.open(program, O_WRONLY | O_CREAT, 0o755)
            try Files.write(Array("#!/bin/sh\nexit 0\n".utf8), to: file.number)
        }
        let lease = try FileLease(on: program)
        let target = ProbeTarget(try BackendReference("stuck/web-1"), at: try Endpoint("127.0.0.1:9001"))
        let check = { @ControlPlane @Sendable in await CommandCheck.run([program], for: target, timeout: .milliseconds(200)) }
        try await onLoop {
            let first = (0..<16).map { _ in start { await check() } }
            for task in first { #expect(await task.value == .failure(reason: "command: not done within 200 ms: its program is still not loaded")) }
            #expect(await check() == .failure(
                reason: "command: not started: 16 earlier ones of the pool hang in the kernel and cannot be killed"))
        }
        lease.end()
        #expect(try await noChildIsLeft())
        let after = try await onLoop { await CommandCheck.run([program], for: target, timeout: Patience.limit) }
        #expect(after == .success)
    }

    /// Fault: the probes of a pool that had no place waited for ever for those that other pools' hanging commands had, and
    /// nobody was told.
    @Test func whereOthersAreStuckOnAllPlacesTheCheckSaysSo() async throws {
        let other = try PoolName("c")
        let turns = try await onLoop { () async throws -> [CommandPlaces.Turn] in
            let places = CommandPlaces(2)
            var taken: [CommandPlace] = []
            for name in ["a", "b"] {
                guard case .taken(let place) = await places.take(for: try PoolName(name), patience: Patience.limit) else { return [] }
                place.isStuck = true
                taken.append(place)
            }
            let waiting = start { await places.take(for: other, patience: .milliseconds(20)) }
            let impatience = start {
                if await pause(for: Patience.limit) { waiting.cancel() }
            }
            let turn = await waiting.value
            impatience.cancel()
            taken[0].giveBack()
            return [turn, await places.take(for: other, patience: Patience.limit)]
        }
        try #require(turns.count == 2)
        if case .allStuck(2) = turns[0], case .taken = turns[1] { return }
        Issue.record("\(turns)")
    }

    /// Fault: a check inherits the limit that lbd raised for itself, and one that closes every number below it never ends.
    @Test func itHasTheDescriptorLimitThatWeWereStartedWith() async throws {
        var before = rlimit()
        #expect(getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &before) == 0)
        var low = before
        // Next to nothing: other tests open files meanwhile.
        low.rlim_cur -= 1
        #expect(setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &low) == 0)
        _ = try Limits.raiseDescriptors()
        #expect(try await shell("test $(ulimit -Sn) = \(low.rlim_cur) || { ulimit -Sn; exit 1; }") == .success)
    }

    @Test func cancellingEndsItAndGivesItsPlaceBack() async throws {
        let target = ProbeTarget(try BackendReference("web/web-1"), at: try Endpoint("127.0.0.1:9001"))
        try await onLoop {
            // More than there are places: some are cancelled while they wait for one.
            let tasks = (0..<40).map { _ in start { await CommandCheck.run(["sleep", "600"], for: target, timeout: .seconds(600)) } }
            await pause(for: .milliseconds(300))
            for task in tasks { task.cancel() }
            for task in tasks { #expect(await task.value == .inconclusive(reason: "command: cancelled")) }
        }
        #expect(try await noChildIsLeft())
        #expect(try await run(["true"]) == .success)
    }

    private func isGone(_ process: pid_t) async throws -> Bool {
        try await within { contents(of: "/proc/\(process)/stat").map { $0.contains(") Z ") } ?? true }
    }

    private func noChildIsLeft() async throws -> Bool { try await within { children().isEmpty } }

    private func within(_ condition: @escaping @ControlPlane @Sendable () -> Bool) async throws -> Bool {
        try await onLoop {
            for _ in 0..<12_000 {
                if condition() { return true }
                await pause(for: .milliseconds(25))
            }
            return false
        }
    }
}

/// Whoever opens the file waits until it ends.
private final class FileLease {
    private let file: Descriptor

    init(on path: String) throws {
        file = try Files.open(path, O_RDONLY)
        // Instead of SIGIO, which would end us: ignored by default.
        try #require(fcntl(file.number, 10 /* F_SETSIG */, SIGURG) == 0)
        try #require(fcntl(file.number, 1024 /* F_SETLEASE */, F_WRLCK) == 0)
    }

    func end() { #expect(fcntl(file.number, 1024, F_UNLCK) == 0) }
}

/// `sleep`s and shells that are ours, zombies too; other tests of this process start others.
private func children() -> [Substring] {
    // Of whichever thread started them.
    var threads: [String] = []
    do { threads = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task") } catch { Issue.record(error) }
    let all = threads.compactMap { contents(of: "/proc/self/task/\($0)/children") }.joined(separator: " ")
    return all.split(separator: " ").filter { child in
        guard let stat = contents(of: "/proc/\(child)/stat") else { return false }
        return ["(sleep)", "(sh)", "(check)"].contains { stat.contains($0) }
    }
}

private func contents(of path: String) -> String? {
    do throws(SystemError) { return String(decoding: try Files.read(path, bytesMax: 100_000), as: UTF8.self) } catch { return nil }
}
