// A check by command: started in a process group of its own, ended with all of it, its last line kept as the reason.
import Decisions
import EventLoop
import Glibc
import Model
import SystemCalls

/// The result is there with the end of the process or at the timeout, whichever comes first; what is left of the group
/// is killed either way, and the process is reaped last, as until then its number, which names the group, cannot pass to
/// somebody else.
@ControlPlane final class CommandCheck {
    private let child: ChildProcess
    private let output: OutputTail

    static func run(_ words: [String], for target: ProbeTarget, timeout: Duration) async -> ProbeResult {
        let arguments: [String]
        do throws(TemplateError) { arguments = try CommandTemplate(words).filled(for: target.backend, at: target.endpoint) } catch {
            return .failure(reason: "command: \(error)")
        }
        // The wait for its turn is ours, not the backend's.
        guard await CommandPlaces.shared.take() else { return .inconclusive(reason: "command: cancelled") }
        do throws(SystemError) {
            return await (try CommandCheck(arguments)).result(within: timeout)
        } catch {
            CommandPlaces.shared.giveBack()
            // EAGAIN: no more processes for our user.
            let isOurs = error.isShortage || error.errorNumber == EAGAIN
            return isOurs ? .inconclusive(reason: "command: \(error)") : .failure(reason: "command: \(error)")
        }
    }

    private init(_ arguments: [String]) throws(SystemError) {
        let pipe = try ChildOutput.open()
        output = OutputTail(owning: Descriptor(owning: pipe.readEnd))
        // Ours goes with the end of this function: then the children alone hold it.
        let writing = Descriptor(owning: pipe.writeEnd)
        child = try ChildProcess(starting: arguments, output: writing.number, leading: .closedGroup)
    }

    private func result(within timeout: Duration) async -> ProbeResult {
        let reading = start { await self.output.read() }
        let outcome = await ended(within: timeout)
        reading.cancel()
        // On another way than the first it may take a moment.
        if let end = endGroup() {
            CommandPlaces.shared.giveBack()
            return end == .exited(status: 0) && outcome == .ready ? .success : failure(outcome, "\(end)", timeout)
        }
        start { await self.reap() }
        return failure(outcome, "it cannot be asked how it ended", timeout)
    }

    private func ended(within timeout: Duration) async -> WaitOutcome {
        let deadline = Clocks.monotonic().advanced(by: timeout)
        while true {
            let outcome = await wait(for: .readable, on: child.number, timeout: max(.zero, Clocks.monotonic().duration(to: deadline)))
            // A wait may end without its event (see Wait).
            guard outcome == .ready, !Sockets.isReadable(child.number) else { return outcome }
        }
    }

    private func failure(_ outcome: WaitOutcome, _ end: String, _ timeout: Duration) -> ProbeResult {
        switch outcome {
        case .ready: .failure(reason: "command: \(end)\(said)")
        case .timedOut: .failure(reason: "command: not done within \(timeout.spoken)\(said)")
        case .cancelled: .inconclusive(reason: "command: cancelled")
        }
    }

    private var said: String { output.lastLine.map { ": \($0)" } ?? "" }

    /// Kills whatever of the group is left; how the process ended, or nil while it has not.
    private func endGroup() -> ProcessEnd? {
        do throws(SystemError) {
            try child.signalGroup(Signals.kill)
            return try child.end()
        } catch {
            return nil
        }
    }

    /// A process that is killed ends soon, unless the kernel holds it (a dead file server): its place stays taken, so
    /// that no more than those pile up.
    private func reap() async {
        while endGroup() == nil {
            guard await wait(for: .readable, on: child.number) == .ready else { break }
        }
        CommandPlaces.shared.giveBack()
    }
}

/// The last bytes that a command has printed: the rest is read, so that it can go on, and forgotten.
@ControlPlane private final class OutputTail {
    private static let bytesMax = 1024
    private let descriptor: Descriptor
    private var bytes: [UInt8] = []

    init(owning descriptor: consuming Descriptor) { self.descriptor = descriptor }

    /// Until nobody can write any more, or cancelled.
    func read() async {
        while take(), await wait(for: .readable, on: descriptor.number) == .ready {}
    }

    /// What is there now; false at the end.
    @discardableResult private func take() -> Bool {
        // Bounded: one that prints without end must not hold the loop.
        for _ in 0..<16 {
            switch ChildOutput.read(descriptor.number, bytesMax: 4096) {
            case .some(let more) where more.isEmpty: return false
            case .some(let more): bytes = Array((bytes + more).suffix(OutputTail.bytesMax))
            case nil: return true
            }
        }
        return true
    }

    var lastLine: String? {
        take()
        let lines = bytes.split(whereSeparator: { $0 == 0x0A || $0 == 0x0D })
        return lines.last.map { String(decoding: $0.prefix(200), as: UTF8.self).escapedForOneLine }
    }
}

/// How many commands run at once: a fork costs what a thousand connects do, and a machine that is slow with them must
/// not be given more and more.
@ControlPlane final class CommandPlaces {
    static let shared = CommandPlaces(32)

    private var free: Int
    private var line: [Wait] = []

    init(_ count: Int) { free = count }

    /// In turn; false when cancelled.
    func take() async -> Bool {
        if free > 0 {
            free -= 1
            return true
        }
        let wait = Wait()
        line.append(wait)
        switch await wait.untilFinished() {
        case .ready: return true
        case .timedOut, .cancelled:
            line.removeAll { $0 === wait }
            return false
        }
    }

    /// The place goes to the first in line, if it still waits.
    func giveBack() {
        while !line.isEmpty {
            if line.removeFirst().finish(.ready) { return }
        }
        free += 1
    }
}
