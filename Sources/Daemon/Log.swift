// The log while lbd runs: what is logged, in which form, to where; written without ever waiting for its reader.
import EventLoop
import Glibc
import Logging
import Model
import Synchronization
import SystemCalls

/// One for all loggers. Lines come from the control plane, and from the main thread before and after its loop; the lock
/// is never contended.
package final class Log: Sendable {
    private struct State {
        var configuration: LogConfiguration
        /// Of all subsystems.
        var least: Logger.Level
        var output: LineOutput
        var form: LogForm
        var buffer = LogBuffer(capacity: Log.bufferMax)
        /// When the output refused last, and why; nil: it takes what it can.
        var failure: (at: MonotonicTime, errorNumber: Int32)?
        /// Whoever starts lbd looks at standard error.
        var isStarting = true
        /// A task waits until it takes more.
        var isPumping = false

        /// Something is still to be written. To a reader that is gone nobody tells that lines were lost before there is
        /// another line: it costs nothing.
        var isOwing: Bool {
            guard buffer.isEmpty, buffer.owesNotice, let failure else { return !buffer.isEmpty }
            return failure.errorNumber != EPIPE && failure.errorNumber != EBADF
        }
    }

    /// Bytes of lines that wait for the reader.
    private static let bufferMax = 1024 * 1024
    /// From one try to the next, of an output that refuses.
    private static let retryPause = Duration.seconds(1)
    /// At the end: what the reader does not take within this is lost.
    private static let endPatience = Duration.milliseconds(500)

    private let state: Mutex<State>

    /// Opens the file, where one is configured.
    package init(_ configuration: LogConfiguration) throws(SystemError) {
        let output = try LineOutput.open(configuration)
        state = Mutex(State(
            configuration: configuration, least: Logger.Level(configuration.leastLevel), output: output,
            form: LogForm(format: configuration.format, isForJournal: output.isJournal)))
    }

    /// Lines that nobody will read: there was no room, or the output did not take them.
    package var droppedTotal: UInt64 { state.withLock { $0.buffer.lostTotal } }

    // MARK: Levels

    func logs(_ level: Logger.Level, of subsystem: Subsystem) -> Bool {
        state.withLock { level >= Logger.Level($0.configuration.level(of: subsystem)) }
    }

    /// Of all subsystems.
    var leastLevel: Logger.Level { state.withLock { $0.least } }

    // MARK: Lines

    func write(_ line: LogLine) { write([line]) }

    /// Lines that leave together.
    func write(_ lines: [LogLine]) {
        state.withLock { state in
            for line in lines {
                if state.isStarting, line.level == .critical, state.output.path != nil { Log.complain(line) }
                // Not even made where there is no room for it.
                if state.buffer.isFull { state.buffer.lose(1) } else { state.buffer.append(state.form.bytes(line)) }
            }
            flush(&state)
        }
    }

    /// From here on what goes wrong is for the log alone.
    func noteStarted() { state.withLock { $0.isStarting = false } }

    /// What keeps lbd from starting, besides the log file.
    private static func complain(_ line: LogLine) {
        let output = LineOutput.standardError()
        // Where standard error is gone nobody can be told there; the exit status and the log say it too.
        _ = output.write(LogForm(format: .text, isForJournal: output.isJournal).bytes(line), from: 0)
    }

    /// Lines that were lost on the way here; told by whoever has lost them.
    func countDropped(_ lines: Int) { state.withLock { $0.buffer.countLost(lines) } }

    private func flush(_ state: inout State) {
        if let failure = state.failure, failure.at.duration(to: Clocks.monotonic()) < Log.retryPause { return pumpLater(&state) }
        let form = state.form
        let outcome = state.buffer.flush(to: state.output) { form.notice($0, $1) }
        switch outcome {
        case .done: state.failure = nil
        case .wouldBlock:
            state.failure = nil
            pumpLater(&state)
        case .failed(let errorNumber):
            state.failure = (Clocks.monotonic(), errorNumber)
            pumpLater(&state)
        }
    }

    private func pumpLater(_ state: inout State) {
        guard !state.isPumping, state.isOwing else { return }
        state.isPumping = true
        start { await self.pump() }
    }

    /// Until nothing waits any more.
    @ControlPlane private func pump() async {
        while let (output, failed) = waiting() {
            // The output stays open as long as it is waited for; another one may have taken its place then.
            if failed { await pause(for: Log.retryPause) } else { _ = await wait(for: .writable, on: output.number, timeout: Log.retryPause) }
            state.withLock { flush(&$0) }
        }
    }

    private func waiting() -> (output: LineOutput, failed: Bool)? {
        state.withLock { state in
            state.isPumping = state.isOwing
            return state.isPumping ? (state.output, state.failure != nil) : nil
        }
    }

    /// The loop has ended, or never ran: gives the reader a moment for what waits.
    package func finish() {
        let end = Clocks.monotonic().advanced(by: Log.endPatience)
        while let (output, failed) = waiting(), !failed {
            let rest = Clocks.monotonic().duration(to: end)
            guard rest > .zero, output.isWritable(within: rest) else { return }
            state.withLock { flush(&$0) }
        }
    }

    // MARK: Changes

    /// What a change needs of the kernel: tried before anything changes. Nil: the output stays.
    func prepare(_ new: LogConfiguration) throws(SystemError) -> LineOutput? {
        new.file == state.withLock { $0.configuration.file } ? nil : try LineOutput.open(new)
    }

    /// What waits for the old output's reader goes to the new one.
    func change(to new: LogConfiguration, _ output: LineOutput?) {
        let place = output.map { $0.path.map { "in \($0)" } ?? "on standard error" }
        if let place { write(LogLine(level: .info, subsystem: .process, text: "the log goes on \(place)")) }
        state.withLock { state in
            (state.configuration, state.least) = (new, Logger.Level(new.leastLevel))
            if let output { switchOutput(&state, to: output) }
            state.form = LogForm(format: new.format, isForJournal: state.output.isJournal)
            flush(&state)
        }
        if let place { write(LogLine(level: .info, subsystem: .process, text: "the log is \(place) from here on")) }
    }

    /// By its name anew, which a rotated file has lost. The path; nil: it goes to standard error.
    func reopen() throws(SystemError) -> String? {
        guard let path = state.withLock({ $0.configuration.file }) else { return nil }
        let output = try LineOutput.file(path)
        state.withLock { state in
            // Before the new one is begun.
            flush(&state)
            switchOutput(&state, to: output)
        }
        return path
    }

    private func switchOutput(_ state: inout State, to output: LineOutput) {
        state.buffer.changeOutput()
        (state.output, state.failure) = (output, nil)
    }
}

extension LineOutput {
    fileprivate static func open(_ configuration: LogConfiguration) throws(SystemError) -> LineOutput {
        guard let path = configuration.file else { return .standardError() }
        return try .file(path)
    }
}

extension Logger.Level {
    init(_ level: LogConfiguration.Level) {
        self = switch level {
        case .debug: .debug
        case .info: .info
        case .warning: .warning
        case .error: .error
        }
    }
}
