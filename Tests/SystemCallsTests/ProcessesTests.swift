// Children. Faults: a restart command that inherits ignored signals or our descriptors, one whose own children outlive
// their timeout, a signal that reaches a stranger.
import Glibc
import SystemCalls
import TestSupport
import Testing

private func shell(_ command: String, output: Int32? = nil, leading: ChildProcess.Leads = .group) throws -> ChildProcess {
    try ChildProcess(starting: ["sh", "-c", command], output: output, leading: leading)
}

private func end(of child: borrowing ChildProcess) throws -> ProcessEnd? {
    guard isReadable(child.number) else { return nil }
    return try child.end()
}

struct ProcessesTests {
    @Test func tellsHowItEnded() throws {
        let good = try shell("exit 0"), bad = try shell("exit 7"), killed = try shell("kill -KILL $$")
        #expect(try end(of: good) == .exited(status: 0))
        #expect(try end(of: bad) == .exited(status: 7))
        #expect(try end(of: killed) == .killed(signal: SIGKILL))
        #expect(ProcessEnd.killed(signal: SIGKILL).description == "killed by SIGKILL")
        #expect(ProcessEnd.exited(status: 7).description == "exit status 7")
    }

    @Test func aProgramThatIsNotThereIsAnError() {
        let error = #expect(throws: SystemError.self) { _ = try ChildProcess(starting: ["/no/such/program"], output: nil) }
        #expect(error?.errorNumber == ENOENT && error?.subject == "/no/such/program")
    }

    @Test func runningIsNotEnded() throws {
        let child = try shell("exec sleep 1000")
        #expect(try child.end() == nil)
        try child.signalGroup(SIGKILL)
        #expect(try end(of: child) == .killed(signal: SIGKILL))
        // A group that has ended is no error.
        try child.signalGroup(SIGKILL)
    }

    /// lbd ignores SIGPIPE and blocks what it reads by signalfd; a child that inherited that could not be stopped.
    @Test func signalsAreTheDefaultOnes() throws {
        signal(SIGPIPE, SIG_IGN)
        var set = sigset_t(), old = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGTERM)
        pthread_sigmask(SIG_BLOCK, &set, &old)
        defer { pthread_sigmask(SIG_SETMASK, &old, nil) }
        let pipeChild = try shell("kill -PIPE $$; exit 3"), termChild = try shell("kill -TERM $$; exit 3")
        #expect(try end(of: pipeChild) == .killed(signal: SIGPIPE))
        #expect(try end(of: termChild) == .killed(signal: SIGTERM))
    }

    /// The grandchildren hold the output: its end proves that they are gone too.
    @Test func theWholeGroupIsSignalled() throws {
        let (ours, theirs) = try BlockingSocket.pair()
        let child = try shell("sleep 1000 & sleep 1000 & echo r; wait", output: theirs)
        close(theirs)
        #expect(ours.receive(exactly: 2) == Array("r\n".utf8))
        try child.signalGroup(SIGTERM)
        #expect(ours.receiveAll().end == .finished)
        #expect(try end(of: child) == .killed(signal: SIGTERM))
    }

    /// A daemon that holds our listener would keep the port after us.
    @Test func aSessionInheritsNothingButTheThree() throws {
        let (ours, theirs) = try BlockingSocket.pair()
        let inheritable = dup(theirs)
        let child = try shell("ls /proc/$$/fd; ps -o sid= -p $$ | grep -q \"$$\" && echo leads", output: theirs, leading: .session)
        close(theirs)
        close(inheritable)
        #expect(String(decoding: ours.receiveAll().bytes, as: UTF8.self) == "0\n1\n2\nleads\n")
        #expect(try end(of: child) == .exited(status: 0))
    }

    @Test func standardInputIsEmpty() throws {
        let child = try shell("cat")
        #expect(try end(of: child) == .exited(status: 0))
    }
}

struct RunningProcessTests {
    @Test func watchesAndSignalsWhatIsNotAChildToo() throws {
        let child = try shell("exec sleep 1000")
        let running = try RunningProcess(child.process)
        #expect(!isReadable(running.number, within: 0))
        try running.signal(SIGTERM)
        #expect(isReadable(running.number))
        #expect(try child.end() == .killed(signal: SIGTERM))
        // Reaped: its number may belong to a stranger now, whom this does not reach.
        try running.signal(SIGKILL)
    }

    @Test func nobodyIsAnError() throws {
        let child = try shell("exit 0")
        let process = child.process
        _ = try end(of: child)
        #expect(throws: SystemError.self) { _ = try RunningProcess(process) }
    }
}
