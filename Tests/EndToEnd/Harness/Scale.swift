// How large a test is: short in every run, its full size where Tests/run --full asks for it.
import Foundation

enum Scale {
    /// Set by Tests/run --full.
    static let isFull = ProcessInfo.processInfo.environment["SLUICE_FULL"] == "1"

    /// The programs under test are built with a sanitizer (Tests/run --full says which): several times slower.
    static let isSanitized = ProcessInfo.processInfo.environment["SLUICE_SANITIZER"] != nil

    /// Every deadline of `eventually` and every bound on processor time is stretched by this.
    static let patience = isSanitized ? 5 : 1

    static func of<Size>(_ short: Size, full: Size) -> Size { isFull ? full : short }

    /// How late a busy machine may show what has happened in time: less than any other timeout of these tests takes.
    static let lateness = Duration.seconds(5) * patience

    /// How much longer lbd may take for the same where it was built for debugging: nothing is inlined.
    static let slowness: Int = {
        #if DEBUG
        ProcessInfo.processInfo.environment["SLUICE_PRODUCTS"] == nil ? 8 : 1
        #else
        1
        #endif
    }()

    /// Both numbers of workers that every edge is tried with.
    static let workers = [1, 2]
}
