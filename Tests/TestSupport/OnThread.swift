// Blocking work in tests: on threads of its own, so that Swift's few pool threads stay free.
import Foundation

/// Runs `body` on a new thread; its result.
package func onThread<Success: Sendable>(_ body: @escaping @Sendable () throws -> Success) async throws -> Success {
    try await withCheckedThrowingContinuation { continuation in
        Thread { continuation.resume(with: Result(catching: body)) }.start()
    }
}

/// Runs `body` once for each of `0 ..< count`, all at the same time; returns when all have ended.
package func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) throws -> Void) throws {
    let group = DispatchGroup()
    let failures = Failures()
    for index in 0..<count {
        group.enter()
        Thread {
            do { try body(index) } catch { failures.add(error) }
            group.leave()
        }.start()
    }
    group.wait()
    if let first = failures.first { throw first }
}

private final class Failures: @unchecked Sendable {
    private let lock = NSLock()
    private var errors: [any Error] = []
    func add(_ error: any Error) { lock.withLock { errors.append(error) } }
    var first: (any Error)? { lock.withLock { errors.first } }
}

/// Waits for a descriptor to become readable; false after `seconds`, which no well test needs.
package func isReadable(_ descriptor: Int32, within seconds: Int32 = 20) -> Bool {
    var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return poll(&entry, 1, seconds * 1000) == 1
}
