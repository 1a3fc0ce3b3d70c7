// What the kernel tells everybody about a process that is not ours.
import Glibc

/// Of /proc/PID/stat.
package struct ProcessTrace: Equatable, Sendable {
    package enum State: Sendable {
        case running
        /// By a signal or a debugger.
        case stopped
        /// It has ended, and nobody has asked for its end yet.
        case ended
    }

    package let state: State
    /// Ticks since the boot: with its number it names the process.
    package let startTime: UInt64

    /// Nil: there is no such process.
    package static func of(_ process: Int32) throws(SystemError) -> ProcessTrace? {
        let text: String
        do throws(SystemError) { text = String(decoding: try Files.read("/proc/\(process)/stat", bytesMax: 8192), as: UTF8.self) } catch {
            // ESRCH: it has ended between the open and the read.
            guard error.errorNumber != ENOENT, error.errorNumber != ESRCH else { return nil }
            throw error
        }
        return ProcessTrace(text)
    }

    /// The name, the second field, is in parentheses and may hold anything.
    init?(_ text: String) {
        guard let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: end)...].split(whereSeparator: { $0 == " " || $0 == "\n" })
        guard fields.count >= 20, let startTime = UInt64(fields[19]) else { return nil }
        self.startTime = startTime
        switch fields[0] {
        case "T", "t": state = .stopped
        case "Z", "X", "x": state = .ended
        default: state = .running
        }
    }

    /// The kernel's name for this boot: with another one every number means something else.
    package static func boot() throws(SystemError) -> String {
        String(decoding: try Files.read("/proc/sys/kernel/random/boot_id", bytesMax: 128), as: UTF8.self).trimmed
    }
}

extension String {
    fileprivate var trimmed: String { String(prefix { $0 != "\n" }) }
}
