// What the kernel grants this process: descriptors and processors.
import CLinux
import Glibc
import Synchronization

package enum Limits {
    /// The soft descriptor limit before it was raised, which children get back: some programs close every number below
    /// it, or count on it to be small. 0: not raised.
    private static let atStart = Atomic<UInt64>(0)
    static var descriptorsAtStart: UInt64 { atStart.load(ordering: .relaxed) }

    /// Raises the soft descriptor limit to the hard one; the limit that then holds.
    package static func raiseDescriptors() throws(SystemError) -> Int {
        var limit = rlimit()
        try checked("getrlimit") { getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) }
        if limit.rlim_cur < limit.rlim_max {
            atStart.store(UInt64(limit.rlim_cur), ordering: .relaxed)
            limit.rlim_cur = limit.rlim_max
            try checked("setrlimit") { setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) }
        }
        return Int(clamping: limit.rlim_cur)
    }

    /// Descriptors that this process has open now.
    package static func openDescriptors() throws(SystemError) -> Int {
        guard let folder = opendir("/proc/self/fd") else { throw SystemError("opendir", errno, on: "/proc/self/fd") }
        defer { closedir(folder) }
        var count = 0
        while readdir(folder) != nil { count += 1 }
        // Less `.`, `..` and the descriptor of the folder itself.
        return count - 3
    }

    /// The same where the kernel tells it at once: from Linux 6.2 on it is the size of the folder.
    static func descriptorsKnown() -> Int? {
        var status = stat()
        guard stat("/proc/self/fd", &status) == 0, status.st_size > 0 else { return nil }
        return Int(status.st_size)
    }

    /// The same, by counting where it must be; 0: nobody knows.
    package static func descriptorsInUse() -> Int {
        if let known = descriptorsKnown() { return known }
        do throws(SystemError) { return try openDescriptors() } catch { return 0 }
    }

    /// The calling thread wants little time, but soon: it need not wait until the turn of one that is busy has ended.
    /// Where the kernel refuses, it waits as all do.
    package static func takeShortTurns() { _ = sluice_take_short_turns(100_000) }

    /// Processors that this process may run on.
    package static func processors() -> Int {
        let allowed = Int(sluice_processors())
        return allowed > 0 ? allowed : max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    }
}
