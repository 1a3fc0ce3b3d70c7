// What this process uses of the machine.
import CLinux
import Glibc

package struct ProcessUsage: Sendable {
    /// Processor time of all threads.
    package let processorNanoseconds: Int64
    /// Nil where /proc cannot be read, as no descriptor is left.
    package let residentBytes: Int?
    package let virtualBytes: Int?
    /// Open descriptors; nil where the kernel does not tell at once (before Linux 6.2).
    package var descriptors: Int?
    /// The soft limit.
    package let descriptorsMax: Int

    package init() {
        var time = timespec()
        let result = clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        precondition(result == 0, "the kernel has this clock")
        processorNanoseconds = Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
        let pages = ProcessUsage.pages()
        let pageSize = sysconf(Int32(_SC_PAGESIZE))
        virtualBytes = pages.map { $0.whole * pageSize }
        residentBytes = pages.map { $0.resident * pageSize }
        descriptors = Limits.descriptorsKnown()
        var limit = rlimit()
        let asked = getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        precondition(asked == 0, "the kernel has this limit")
        descriptorsMax = Int(clamping: limit.rlim_cur)
    }

    private static func pages() -> (whole: Int, resident: Int)? {
        let file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = read(file, &bytes, bytes.count)
        guard count > 0 else { return nil }
        let numbers = bytes[..<count].split { $0 == 0x20 || $0 == 0x0A }.prefix(2).compactMap { Int(String(decoding: $0, as: UTF8.self)) }
        return numbers.count == 2 ? (numbers[0], numbers[1]) : nil
    }
}
