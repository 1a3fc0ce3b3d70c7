// One lbd per state directory: the lock that says so.
import Glibc
import SystemCalls

/// Held from `init` until the process ends or lets go of it.
final class StateLock: Sendable {
    private let file: Descriptor

    init(folder: String) throws {
        try Files.makeFolder(folder)
        do throws(SystemError) {
            file = try Files.lock(Files.resolve("lbd.lock", in: folder))
        } catch {
            guard error.errorNumber == EAGAIN else { throw error }
            throw DaemonError(description: "another lbd runs with the state directory \(folder); stop it, or give this one its own state-directory")
        }
    }
}
