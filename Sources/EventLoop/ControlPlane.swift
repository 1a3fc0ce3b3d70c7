// The global actor of everything that decides: it runs on the loop's thread and shares state without locks.

@globalActor package actor ControlPlane {
    package static let shared = ControlPlane()

    package nonisolated var unownedExecutor: UnownedSerialExecutor { Loop.shared.asUnownedSerialExecutor() }

    /// For C callbacks, which run on the loop but outside of any task. Traps anywhere else.
    package nonisolated static func assumeIsolated<Result>(
        _ body: @ControlPlane () throws -> Result
    ) rethrows -> Result {
        shared.preconditionIsolated()
        // Invariant: isolation has just been checked. The same cast as in MainActor.assumeIsolated.
        return try withoutActuallyEscaping(body) { body in
            try unsafeBitCast(body, to: (() throws -> Result).self)()
        }
    }
}
