// How many of those who wait in a pool's line may be on their way to a backend at once: a window that opens with each
// connect that succeeds and closes with one that fails, as TCP's does. A backend that has just started takes a few, then
// more, and never all who have waited for it at once.

package struct ReleasePace: Equatable, Sendable {
    private static let first = 4
    private static let most = 64

    package private(set) var window = ReleasePace.first
    package private(set) var underWay = 0

    package init() {}

    package var hasRoom: Bool { underWay < window }

    package mutating func begin() { underWay += 1 }

    package mutating func end(connected: Bool) {
        precondition(underWay > 0, "who was released ends once")
        underWay -= 1
        window = connected ? min(ReleasePace.most, window + 1) : ReleasePace.first
    }

    /// Nobody is there any more: whoever comes back begins anew.
    package mutating func slowDown() { window = ReleasePace.first }
}
