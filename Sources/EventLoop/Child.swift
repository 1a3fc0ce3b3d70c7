// Child processes and signals as awaited calls.
import SystemCalls

extension ChildProcess {
    /// How the process ended; nil when the task was cancelled first (the child then still runs).
    @ControlPlane package func ended() async throws(SystemError) -> ProcessEnd? {
        while true {
            if let end = try end() { return end }
            guard await wait(for: .readable, on: number) == .ready else { return nil }
        }
    }
}

/// The signals that `Signals.open` redirected, one after the other.
@ControlPlane package final class SignalSource {
    private let descriptor: Descriptor

    package init(owning descriptor: consuming Descriptor) { self.descriptor = descriptor }

    /// The next signal; nil on cancellation.
    package func next() async throws(SystemError) -> Int32? {
        while true {
            if let signal = try Signals.next(descriptor.number) { return signal }
            guard await wait(for: .readable, on: descriptor.number) == .ready else { return nil }
        }
    }
}
