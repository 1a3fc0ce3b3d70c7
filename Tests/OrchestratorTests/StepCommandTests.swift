// A restart command in its runner, with real processes: each way to end, nothing left behind, and started once whoever is killed.
import EventLoop
import Glibc
import Model
import SystemCalls
import TestSupport
import Testing

@testable import Orchestrator

/// One command's folder and the lbctl that becomes its runner.
struct StepLab: Sendable {
    let temporary: TemporaryFolder
    let folder: RunnerFolder
    let program: [String]

    init() throws {
        temporary = try TemporaryFolder()
        folder = RunnerFolder(path: temporary.file("step-1"))
        program = [try Products.path("lbctl"), Runner.verb]
    }

    /// For a command that ends by itself. The runner counts it down also while the test waits for its turn among a
    /// thousand others, so it is one that never comes.
    static let never = Duration.seconds(3600)

    func run(
        _ arguments: [String], timeout: Duration = StepLab.never, grace: Duration = .seconds(20), diagnosis: [String] = []
    ) async throws -> StepEnd {
        let order = RunnerOrder(command: arguments, diagnosis: diagnosis, timeout: timeout, grace: grace)
        return try await onLoop { await StepCommand(folder: folder.path, program: program).run(order) }
    }

    /// The words that start a runner by hand, as an orchestrator does that is killed right after.
    func words(_ arguments: [String], timeout: Duration = StepLab.never) -> [String] {
        program + [folder.path] + RunnerOrder(command: arguments, timeout: timeout).words
    }

    /// As often as the command ran it wrote a line.
    func counting(_ rest: String = ":") -> [String] { ["sh", "-c", "echo run >> \(temporary.file("runs")); \(rest)"] }
    var runs: Int { contents(of: temporary.file("runs"))?.split(separator: "\n").count ?? 0 }

    func eventually(_ condition: @escaping @Sendable () -> Bool) async throws -> Bool {
        try await onLoop {
            for _ in 0..<24_000 {
                if condition() { return true }
                await pause(for: .milliseconds(25))
            }
            return false
        }
    }
}

func contents(of path: String) -> String? {
    do throws(SystemError) { return String(decoding: try Files.read(path, bytesMax: 64 << 20), as: UTF8.self) } catch { return nil }
}

private func shell(_ script: String) -> [String] { ["sh", "-c", script] }

@Suite struct StepCommandTests {
    let lab: StepLab
    /// A timeout that comes after the shell's first words, on a busy machine too.
    private let begun = Duration.seconds(5)
    init() throws { lab = try StepLab() }

    @Test func aCommandThatWorks() async throws {
        #expect(try await lab.run(shell("echo well")) == .done(output: "well\n"))
    }

    @Test func aFailureSaysStatusAndOutput() async throws {
        let end = try await lab.run(shell("echo out; echo err >&2; exit 7"))
        #expect(end == .failed(reason: "exit status 7", output: "out\nerr\n"))
    }

    @Test func deathBySignalIsAFailure() async throws {
        #expect(try await lab.run(shell("kill -KILL $$")) == .failed(reason: "killed by SIGKILL", output: ""))
    }

    /// Fault: told as any failure, which leaves a healthy node out.
    @Test func aProgramThatCannotBeStartedIsNoFailureOfTheNode() async throws {
        #expect(try await lab.run(["/does/not/exist"]) == .notBegun(reason: "spawn /does/not/exist: No such file or directory"))
        let text = lab.temporary.file("text")
        try Files.create(text, with: Array("no program".utf8))
        #expect(try await StepLab().run([text]) == .notBegun(reason: "spawn \(text): Permission denied"))
    }

    @Test func aRunnerThatCannotBeStartedIsNoFailureOfTheNode() async throws {
        let folder = lab.folder.path
        let order = RunnerOrder(command: lab.counting(), timeout: .seconds(60))
        let end = try await onLoop { await StepCommand(folder: folder, program: ["/does/not/exist"]).run(order) }
        #expect(end == .notBegun(reason: "spawn /does/not/exist: No such file or directory"))
        #expect(lab.runs == 0)
    }

    @Test func wordsArriveAsTheyAre() async throws {
        #expect(try await lab.run(["printf", "<%s>", "a b", "", "--help", "$HOME", "timeout=1"]) == .done(output: "<a b><><--help><$HOME><timeout=1>"))
    }

    @Test func onlyTheLastOfALongOutputIsToldAndAllOfItIsInTheFile() async throws {
        let end = try await lab.run(shell("i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done; exit 1"))
        guard case .failed(_, let output) = end else { return #expect(end != .done(output: "")) }
        #expect(output.utf8.count == BoundedCommand.outputBytesMax)
        #expect(output.hasSuffix("line 1999\n"))
        #expect(contents(of: lab.folder.output)?.hasPrefix("line 0\n") == true)
    }

    /// Fault: a restart script in a loop of complaints fills the disk of the machine that rolls out.
    @Test func anOutputWithoutEndIsBounded() async throws {
        let end = try await lab.run(shell("echo begin; head -c 40000000 /dev/zero | tr '\\0' x; echo; echo end"))
        guard case .done(let output) = end else { return #expect(end == .done(output: "")) }
        #expect(output.hasSuffix("x\nend\n"))
        let file = try #require(contents(of: lab.folder.output))
        #expect(file.utf8.count <= BoundedCommand.outputFileBytesMax)
        #expect(file.hasPrefix("begin\nxxx"))
        #expect(file.contains("bytes dropped here]"))
    }

    @Test func aTimeoutEndsItBySigterm() async throws {
        let end = try await lab.run(shell("echo waiting; exec sleep 600"), timeout: begun)
        #expect(end == .failed(reason: "not done within 5.0 s, ended by SIGTERM", output: "waiting\n"))
    }

    @Test func oneThatIgnoresSigtermIsKilled() async throws {
        // The loop's sleeps die by the group's SIGTERM, the shell does not.
        let end = try await lab.run(
            shell("trap '' TERM; while true; do sleep 600; done"), timeout: begun, grace: .seconds(3))
        #expect(end == .failed(reason: "not done within 5.0 s, ended by SIGKILL: it took no notice of SIGTERM", output: ""))
    }

    @Test func itsWholeGroupEndsAtATimeout() async throws {
        let end = try await lab.run(shell("trap '' TERM; (exec sleep 3600) & echo $!; trap - TERM; sleep 3600"), timeout: begun)
        guard case .failed(_, let output) = end, let child = pid_t(output.dropLast()) else { return #expect(end != .done(output: "")) }
        #expect(try await lab.eventually { isGone(child) })
    }

    @Test func aDaemonThatHoldsTheOutputIsNotWaitedForAndLivesOn() async throws {
        let path = lab.temporary.file("daemon"), goOn = lab.temporary.file("go-on")
        let daemon = "(while [ ! -e \(goOn) ]; do sleep 0.05; done; echo still writing; echo $? > \(path); exec sleep 600) & echo $! > \(path).pid"
        #expect(try await lab.run(shell(daemon)) == .done(output: ""))
        let process = try #require(pid_t((contents(of: path + ".pid") ?? "").dropLast()))
        defer { kill(process, SIGKILL) }
        // Its write after our end worked: a closed pipe would have killed it.
        try Files.create(goOn, with: [])
        #expect(try await lab.eventually { contents(of: path) == "0\n" })
    }

    @Test func cancellingEndsIt() async throws {
        let lab = lab
        let end = try await onLoop { () -> StepEnd in
            let order = RunnerOrder(command: shell("echo begun; exec sleep 3600"), timeout: StepLab.never)
            let task = start { await StepCommand(folder: lab.folder.path, program: lab.program).run(order) }
            while contents(of: lab.folder.output) != "begun\n" { await pause(for: .milliseconds(10)) }
            task.cancel()
            return await task.value
        }
        #expect(end == .failed(reason: "interrupted, ended by SIGTERM", output: "begun\n"))
    }

    /// A command's failure is told with what says more about it.
    @Test func aDiagnosisFollowsAFailureOnly() async throws {
        #expect(try await lab.run(shell("echo no; exit 3"), diagnosis: ["echo", "unit failed"])
            == .failed(reason: "exit status 3", output: "no\nunit failed\n"))
        let other = try StepLab()
        #expect(try await other.run(["true"], diagnosis: ["echo", "not asked for"]) == .done(output: ""))
    }

    /// Ctrl-C goes to the terminal's foreground group, and its closing to the session.
    @Test func theCommandHasASessionOfItsOwn() async throws {
        let end = try await lab.run(shell("cut -d ' ' -f 5,6 /proc/$$/stat; echo $$"))
        guard case .done(let output) = end else { return #expect(end == .done(output: "")) }
        let numbers = output.split(whereSeparator: \.isWhitespace).compactMap { pid_t($0) }
        #expect(numbers.count == 3)
        #expect(numbers[0] == numbers[2], "it leads its group")
        #expect(numbers[1] != getsid(0) && numbers[1] != numbers[0], "the session is its runner's")
    }
}

private func isGone(_ process: pid_t) -> Bool {
    guard let status = contents(of: "/proc/\(process)/stat") else { return true }
    return status.contains(") Z ")
}

/// Whoever is killed, and whenever: the command runs once at most, and its end is known or said to be unknown.
@Suite struct RunnerLifeTests {
    let lab: StepLab
    init() throws {
        lab = try StepLab()
        try Files.makeFolder(lab.folder.path, mode: 0o700)
    }

    private func startRunner(_ words: [String]) throws -> ChildProcess {
        let log = try Files.open(lab.folder.complaints, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        return try ChildProcess(starting: words, output: log.number, leading: .session)
    }

    /// The orchestrator is killed before it has started a runner, and between that and the runner's lock: two runners.
    @Test func twoRunnersRunItOnce() async throws {
        let first = try startRunner(lab.words(lab.counting("exec sleep 0.3")))
        let end = try await lab.run(lab.counting("exec sleep 0.3"))
        #expect(end == .done(output: ""))
        #expect(lab.runs == 1)
        try await onLoop { _ = try await first.ended() }
    }

    /// While it runs: the next one waits for it, by its lock, and has its result.
    @Test func aRunnerThatOutlivedItsOrchestratorIsWaitedFor() async throws {
        let goOn = lab.temporary.file("go-on")
        let command = lab.counting("while [ ! -e \(goOn) ]; do sleep 0.02; done; echo late; exit 3")
        let runner = try startRunner(lab.words(command))
        let lab = lab
        #expect(try await lab.eventually { lab.runs == 1 })
        async let resumed = lab.run(command)
        try Files.create(goOn, with: [])
        #expect(try await resumed == .failed(reason: "exit status 3", output: "late\n"))
        #expect(lab.runs == 1)
        try await onLoop { _ = try await runner.ended() }
    }

    /// After the status: it is read, nothing is started.
    @Test func aResultIsReadAgain() async throws {
        #expect(try await lab.run(lab.counting("echo out; exit 2")) == .failed(reason: "exit status 2", output: "out\n"))
        #expect(try await lab.run(lab.counting("echo out; exit 2")) == .failed(reason: "exit status 2", output: "out\n"))
        #expect(lab.runs == 1)
    }

    /// The runner itself is killed while its command runs: nobody knows, and nobody starts it again.
    @Test func aKilledRunnerIsUnknownAndNothingIsStartedAgain() async throws {
        let pid = lab.temporary.file("pid")
        let command = lab.counting("echo $$ > \(pid).new; mv \(pid).new \(pid); exec sleep 3600")
        let runner = try startRunner(lab.words(command))
        let lab = lab
        #expect(try await lab.eventually { contents(of: pid) != nil })
        defer { if let process = pid_t((contents(of: pid) ?? "").dropLast()) { kill(process, SIGKILL) } }
        kill(runner.process, SIGKILL)
        try await onLoop { _ = try await runner.ended() }
        for _ in 0..<2 {
            let end = try await lab.run(command)
            guard case .unknown(let reason, _) = end else { return #expect(end == .unknown(reason: "", output: "")) }
            #expect(reason.contains("its process was \((contents(of: pid) ?? "").dropLast())"), "\(reason)")
        }
        #expect(lab.runs == 1)
    }

    /// Killed between the mark and the command, or by a power failure: the mark alone.
    @Test func aMarkWithoutAStatusIsUnknown() async throws {
        try Files.create(lab.folder.started, with: Array("2026-11-21T18:00:00.000Z 1\n".utf8))
        let end = try await lab.run(lab.counting())
        guard case .unknown(let reason, _) = end else { return #expect(end == .unknown(reason: "", output: "")) }
        #expect(reason.hasPrefix("it was started at 2026-11-21T18:00:00.000Z"))
        #expect(lab.runs == 0)
    }

    /// Whatever stands in the status file that no runner wrote is no result.
    @Test(arguments: ["", "don", "done done", "failed", "\u{0}\u{0}"])
    func aDamagedStatusIsUnknown(_ text: String) async throws {
        try Files.create(lab.folder.started, with: [])
        try Files.create(lab.folder.status, with: Array(text.utf8))
        let end = try await lab.run(lab.counting())
        guard case .unknown = end else { return #expect(end == .unknown(reason: "", output: "")) }
        #expect(lab.runs == 0)
    }

    /// Whoever resumes may put the node back into rotation: a runner that was on its way must not begin after that.
    @Test func whatIsFoundNotToHaveBegunCannotBeginAnyMore() async throws {
        let lab = lab
        let found = try await onLoop { await StepCommand(folder: lab.folder.path, program: lab.program).find() }
        #expect(found == nil)
        // Its folder is gone, and with it the place to begin in.
        let late = try ChildProcess(starting: lab.words(lab.counting()), output: nil, leading: .session)
        let end = try await onLoop { try await late.ended() }
        #expect(end == .exited(status: RunnerExit.notBegun.rawValue))
        #expect(lab.runs == 0)
    }

    @Test func whatWasBegunIsFound() async throws {
        #expect(try await lab.run(lab.counting("exit 3")) == .failed(reason: "exit status 3", output: ""))
        let lab = lab
        let found = try await onLoop { await StepCommand(folder: lab.folder.path, program: lab.program).find() }
        #expect(found == .failed(reason: "exit status 3", output: ""))
        #expect(lab.runs == 1)
    }

    /// Fault: a second Ctrl-C after a resume was not heard before the command's own timeout.
    @Test func cancellingEndsWhatWasFound() async throws {
        let lab = lab
        let end = try await onLoop { () -> StepEnd? in
            let runner = try ChildProcess(starting: lab.words(["sh", "-c", "echo begun; exec sleep 3600"]), output: nil, leading: .session)
            while contents(of: lab.folder.output) != "begun\n" { await pause(for: .milliseconds(10)) }
            let task = start { await StepCommand(folder: lab.folder.path, program: lab.program).find() }
            task.cancel()
            let found = await task.value
            _ = try await runner.ended()
            return found
        }
        #expect(end == .failed(reason: "interrupted, ended by SIGTERM", output: "begun\n"))
    }

    /// No room for the mark: the command is not started, and it is said why.
    @Test func withoutRoomItIsNotStarted() async throws {
        let program = ["sh", "-c", "ulimit -f 0; exec \"$@\"", "sh"] + lab.program
        let lab = lab
        let order = RunnerOrder(command: lab.counting(), timeout: StepLab.never)
        let end = try await onLoop { await StepCommand(folder: lab.folder.path, program: program).run(order) }
        guard case .notBegun = end else { return #expect(end == .notBegun(reason: "")) }
        #expect(lab.runs == 0)
        #expect(!Files.exists(lab.folder.started))
    }

    /// The disk fills up while the command runs: its room was taken beforehand, so its end can be told.
    @Test func aDiskThatFillsUpMeanwhileDoesNotHideTheEnd() async throws {
        let mount = lab.temporary.file("disk")
        try Files.makeFolder(mount)
        guard try await succeeds(["mount", "-t", "tmpfs", "-o", "size=64k", "none", mount]) else { return }
        defer { _ = umount2(mount, Int32(MNT_DETACH)) }
        let folder = mount + "/step-1", program = lab.program
        let fill = shell("cat /dev/zero > \(mount)/full 2>/dev/null; echo $? >&2; exit 9")
        let end = try await onLoop { await StepCommand(folder: folder, program: program).run(RunnerOrder(command: fill, timeout: StepLab.never)) }
        guard case .failed("exit status 9", _) = end else { return #expect(end == .failed(reason: "exit status 9", output: "")) }
    }

    private func succeeds(_ command: [String]) async throws -> Bool {
        try await onLoop {
            let child = try ChildProcess(starting: command, output: nil)
            return try await child.ended() == .exited(status: 0)
        }
    }
}

@Suite struct RunnerOrderTests {
    @Test func wordsReadBack() {
        let order = RunnerOrder(command: ["a", "", "timeout=1"], diagnosis: ["b", "c d"], timeout: .milliseconds(1500), grace: .seconds(2))
        #expect(RunnerOrder(order.words[...]) == order)
        for words in [[], ["timeout=1"], ["timeout=1", "grace=1", "diagnosis=3", "a", "b"], ["timeout=1", "grace=1", "diagnosis=-1", "a"]] {
            #expect(RunnerOrder(words[...]) == nil, "\(words)")
        }
    }

    @Test func endsReadBack() {
        for end in [CommandEnd.done, .notStarted(reason: "spawn a b"), .failed(reason: "it's \"quoted\" \\ and on\none line")] {
            #expect(CommandEnd(line: Array(end.line.utf8)).map(\.line) != nil)
            #expect(end.line.split(separator: "\n").count == 1)
        }
        #expect(CommandEnd(line: Array(CommandEnd.notStarted(reason: "spawn a b").line.utf8)) == .notStarted(reason: "spawn a b"))
        #expect(CommandEnd(line: Array("failed \"exit status 7\"\n".utf8)) == .failed(reason: "exit status 7"))
    }
}
