// Ctrl-C and its like as a call, for verbs that have something to finish first.
import EventLoop
import SystemCalls

@ControlPlane final class StopSignals {
    private let task: Task<Void, Never>

    /// From here on the signals no longer end the process: `received` is called for each.
    init(_ received: @escaping @ControlPlane @Sendable () -> Void) throws(SystemError) {
        let source = SignalSource(owning: try Signals.open(Signals.stopping))
        task = start {
            do throws(SystemError) {
                while try await source.next() != nil { received() }
            } catch {
                // No signal could be heard any more: better to stop in order now than not to stop when asked.
                received()
            }
        }
    }

    func cancel() { task.cancel() }
}
