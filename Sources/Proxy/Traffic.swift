// What one connection has moved lately: two windows of a good minute each, turned by the bytes themselves. All that it has
// moved is counted in its row (see Rows).

struct Traffic {
    /// Both ways, when the window began.
    private var beforeWindow: UInt64 = 0
    /// Both ways, in the window before. Four bytes, which are exact to seven digits.
    private var lastWindow: Float = 0
    private var window: UInt32 = 0

    /// Nanoseconds of a window as a shift: 2^36 ns = 69 s.
    private static let windowShift: Int64 = 36
    private static let minute: Int64 = 60_000_000_000

    /// Before more bytes are counted. Monotonic nanoseconds; `total`: both ways, so far.
    mutating func turn(now: Int64, total: @autoclosure () -> UInt64) {
        let window = UInt32(truncatingIfNeeded: now >> Traffic.windowShift)
        if window != self.window { begin(window, total: total()) }
    }

    private mutating func begin(_ window: UInt32, total: UInt64) {
        lastWindow = window &- self.window == 1 ? Float(total &- beforeWindow) : 0
        beforeWindow = total
        self.window = window
    }

    /// About: of the window before, the share that lies within the minute.
    func inLastMinute(now: Int64, total: UInt64) -> UInt64 {
        var copy = self
        copy.turn(now: now, total: total)
        let elapsed = now & (1 << Traffic.windowShift - 1)
        let share = Double(max(0, Traffic.minute - elapsed)) / Double(Int64(1) << Traffic.windowShift)
        return (total &- copy.beforeWindow) &+ UInt64(Double(copy.lastWindow) * share)
    }
}
