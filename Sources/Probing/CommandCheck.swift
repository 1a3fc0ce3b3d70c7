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
    private let place: CommandPlace

    static func run(_ words: [String], for target: ProbeTarget, timeout: Duration) async -> ProbeResult {
        let arguments: [String]
        do throws(TemplateError) { arguments = try CommandTemplate(words).filled(for: target.backend, at: target.endpoint) } catch {
            return .failure(reason: "command: \(error)")
        }
        // The wait for its turn is ours, not the backend's.
        switch await CommandPlaces.shared.take(for: target.backend.pool, patience: timeout) {
        case .taken(let place): return await run(arguments, place, timeout)
        case .stuck(let count):
            return .failure(reason: "command: not started: \(count) earlier ones of the pool hang in the kernel and cannot be killed")
        // Of this pool it says nothing.
        case .allStuck(let count):
            return .inconclusive(reason: "command: not started: \(count) of other pools hang in the kernel and cannot be killed")
        case .cancelled: return .inconclusive(reason: "command: cancelled")
        }
    }

    private static func run(_ arguments: [String], _ place: CommandPlace, _ timeout: Duration) async -> ProbeResult {
        let deadline = Clocks.monotonic().advanced(by: timeout)
        switch await CommandStart(arguments, place).outcome(until: deadline) {
        case .started(let check): return await check.result(until: deadline, timeout)
        case .failed(let error):
            // EAGAIN: no more processes for our user.
            let isOurs = error.isShortage || error.errorNumber == EAGAIN
            return isOurs ? .inconclusive(reason: "command: \(error)") : .failure(reason: "command: \(error)")
        case .timedOut: return .failure(reason: "command: not done within \(timeout.spoken): its program is still not loaded")
        case .cancelled: return .inconclusive(reason: "command: cancelled")
        }
    }

    /// `output`: owned from here on.
    init(_ child: consuming ChildProcess, output: OutputTail, _ place: CommandPlace) {
        self.child = child
        self.output = output
        self.place = place
    }

    private func result(until deadline: MonotonicTime, _ timeout: Duration) async -> ProbeResult {
        let reading = start { await self.output.read() }
        let outcome = await ended(until: deadline)
        reading.cancel()
        // On another way than the first it may take a moment.
        if let end = endGroup() {
            place.giveBack()
            return end == .exited(status: 0) && outcome == .ready ? .success : failure(outcome, "\(end)", timeout)
        }
        start { await self.reap() }
        return failure(outcome, "it cannot be asked how it ended", timeout)
    }

    private func ended(until deadline: MonotonicTime) async -> WaitOutcome {
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
    func reap() async {
        place.isStuck = true
        while endGroup() == nil {
            guard await wait(for: .readable, on: child.number) == .ready else { break }
        }
        place.giveBack()
    }
}

/// The last bytes that a command has printed: the rest is read, so that it can go on, and forgotten.
@ControlPlane final class OutputTail {
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
