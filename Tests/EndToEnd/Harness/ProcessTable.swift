// What /proc tells about processes: who works in a folder, and what one process holds and uses.
import Foundation
import Glibc
import SystemCalls
import Testing

enum ProcessTable {
    /// Processes whose working folder is `folder` or lies in it, zombies not counted.
    static func working(in folder: String) -> [pid_t] {
        numbers().filter { process in
            guard let place = link("/proc/\(process)/cwd") else { return false }
            return place == folder || place.hasPrefix(folder + "/")
        }
    }

    static func commandLine(_ process: pid_t) -> String {
        let bytes = content("/proc/\(process)/cmdline") ?? []
        return String(decoding: bytes.map { $0 == 0 ? 0x20 : $0 }, as: UTF8.self)
    }

    static func isAlive(_ process: pid_t) -> Bool { kill(process, 0) == 0 }

    /// SIGSTOP, and back only when every thread stands still: the kernel stops them one by one.
    static func stop(_ process: pid_t) throws {
        kill(process, SIGSTOP)
        try eventually(within: .seconds(10), "all threads of \(process) to stand still") {
            try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/task").allSatisfy { thread in
                let stat = content("/proc/\(process)/task/\(thread)/stat").map { String(decoding: $0, as: UTF8.self) } ?? ""
                return stat.split(separator: ")").last?.hasPrefix(" T") ?? false
            }
        }
    }

    /// Number of open descriptors.
    static func descriptors(_ process: pid_t) throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/fd").count
    }

    static func descriptorNumbers(_ process: pid_t) throws -> Set<Int> {
        Set(try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/fd").compactMap { Int($0) })
    }

    /// How many open descriptors there are of each kind: `socket`, `pipe`, `anon_inode`, `file`.
    static func descriptorKinds(_ process: pid_t) throws -> [String: Int] {
        var kinds: [String: Int] = [:]
        for number in try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/fd") {
            guard let target = link("/proc/\(process)/fd/\(number)") else { continue }
            let kind = target.hasPrefix("/") ? "file" : String(target.prefix { $0 != ":" })
            kinds[kind, default: 0] += 1
        }
        return kinds
    }

    /// The kernel's numbers of its sockets: one that is closed and opened anew has another.
    static func sockets(_ process: pid_t) throws -> Set<String> {
        let targets = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/fd").map { link("/proc/\(process)/fd/\($0)") }
        return Set(targets.compactMap { $0 }.filter { $0.hasPrefix("socket:") })
    }

    static func threads(_ process: pid_t) throws -> Int { try threadNumbers(process).count }

    /// Waits until it has so many: one that has written to the disk stays a moment for more.
    static func awaitThreads(_ count: Int, of process: pid_t) throws {
        var seen = 0
        try eventually(within: .seconds(20), "\(count) threads; there are \(seen)") {
            seen = try threads(process)
            return seen == count
        }
    }

    /// Without the thread sanitizer's own, which wakes ten times a second. It alone blocks every signal that can be.
    private static func threadNumbers(_ process: pid_t) throws -> [String] {
        let threads = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/task")
        guard Scale.isSanitized else { return threads }
        return threads.filter { thread in
            content("/proc/\(process)/task/\(thread)/status").map { !String(decoding: $0, as: UTF8.self).contains("SigBlk:\tffff") } ?? true
        }
    }

    static func residentKiB(_ process: pid_t) throws -> Int { try status("/proc/\(process)/status", "VmRSS:") }

    /// Processor time used by all its threads.
    static func processorTime(_ process: pid_t) throws -> Duration {
        guard let text = content("/proc/\(process)/stat").map({ String(decoding: $0, as: UTF8.self) }),
            let close = text.lastIndex(of: ")")
        else { throw HarnessError("process \(process) is gone") }
        // Fields after the name; utime and stime are the 14th and 15th of all.
        let fields = text[close...].split(separator: " ").dropFirst()
        let ticks = fields.dropFirst(11).prefix(2).compactMap { Int($0) }.reduce(0, +)
        return .milliseconds(ticks * 1000 / sysconf(Int32(_SC_CLK_TCK)))
    }

    /// How long its first thread, which is the control plane's, was ready to run and had no processor, since it began.
    static func waitedForProcessor(_ process: pid_t) throws -> Duration {
        let path = "/proc/\(process)/task/\(process)/schedstat"
        let fields = String(decoding: content(path) ?? [], as: UTF8.self).split(whereSeparator: \.isWhitespace)
        guard fields.count == 3, let waited = Int64(fields[1]) else { throw HarnessError("\(path) does not tell") }
        return .nanoseconds(waited)
    }

    /// Sockets of the process whose peer has ended and that it has not closed (CLOSE_WAIT).
    static func closeWaits(_ process: pid_t) throws -> Int {
        let own = Set(try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/fd").compactMap {
            link("/proc/\(process)/fd/\($0)")
        })
        return ["tcp", "tcp6"].reduce(0) { sum, table in
            let text = String(decoding: content("/proc/net/\(table)") ?? [], as: UTF8.self)
            return sum + text.split(separator: "\n").count { line in
                // State and inode are the 4th and 10th of a line's fields; 08 is CLOSE_WAIT.
                let fields = line.split(separator: " ")
                return fields.count > 9 && fields[3] == "08" && own.contains("socket:[\(fields[9])]")
            }
        }
    }

    /// How often its threads have gone to sleep: one for each wake-up of an event loop.
    static func wakeups(_ process: pid_t) throws -> Int { try wakeupsOfThreads(process).values.reduce(0, +) }

    /// The same, by thread.
    static func wakeupsOfThreads(_ process: pid_t) throws -> [String: Int] {
        try Dictionary(uniqueKeysWithValues: threadNumbers(process).map {
            ($0, try status("/proc/\(process)/task/\($0)/status", "voluntary_ctxt_switches:"))
        })
    }

    private static func status(_ path: String, _ field: String) throws -> Int {
        let text = String(decoding: content(path) ?? [], as: UTF8.self)
        let line = text.split(separator: "\n").first { $0.hasPrefix(field) }
        guard let value = line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap({ Int($0) }) else {
            throw HarnessError("\(path) has no \(field)")
        }
        return value
    }

    private static func numbers() -> [pid_t] {
        // Unread, it would look like a machine without processes, and "nothing is left" could not fail.
        do { return try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { pid_t($0) } } catch {
            Issue.record(error, "while the processes were listed")
            return []
        }
    }

    /// nil for a process that has ended meanwhile.
    private static func content(_ path: String) -> [UInt8]? { try? Files.read(path, bytesMax: 64 << 20) }

    static func link(_ path: String) -> String? {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = buffer.withUnsafeMutableBytes { readlink(path, $0.baseAddress!, $0.count) }
        return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
    }
}
