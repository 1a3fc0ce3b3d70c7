// Ctrl-C and its like as a call, for verbs that have something to finish first.
import EventLoop
import SystemCalls

@ControlPlane final class StopSignals {
    private let task: Task<Void, Never>

    /// From here on the signals no longer end the process: `received` is called for each.
    init(_ received: @escaping @ControlPlane @Sendable () -> Void) throws(SystemError) {
        let source = SignalSource(owning: try Signals.open(Signals.stopping))
        task = start {
            while let signal = await StopSignals.next(source) {
                precondition(Signals.stopping.contains(signal), "only these were redirected")
                received()
            }
        }
    }

    func cancel() { task.cancel() }

    /// A signalfd that is ours cannot fail to be read; if it does, no further signal can be waited for.
    private static func next(_ source: SignalSource) async -> Int32? {
        do throws(SystemError) { return try await source.next() } catch { preconditionFailure("signals cannot be read: \(error)") }
    }
}
