// What a piece of work costs the thread that does it: a clock on the wall would count what the machine does for others.
import Glibc

/// Processor time of the calling thread. Where Tests/run has built with a sanitizer a fifth of it: all takes longer there.
package func processorTime(of work: () throws -> Void) rethrows -> Duration {
    let before = processorTimeOfThisThread()
    try work()
    return (processorTimeOfThisThread() - before) / (getenv("SLUICE_SANITIZER") == nil ? 1 : 5)
}

private func processorTimeOfThisThread() -> Duration {
    var time = timespec()
    let result = clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    precondition(result == 0, "the kernel has this clock")
    return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
}
