// What one connection has moved, in all and lately: two windows of a good minute each, turned by the bytes themselves.

struct Traffic {
    var toBackend: UInt64 = 0
    var toClient: UInt64 = 0
    /// Both ways, when the window began.
    private var beforeWindow: UInt64 = 0
    /// Both ways, in the window before. Four bytes, which are exact to seven digits.
    private var lastWindow: Float = 0
    private var window: UInt32 = 0

    /// Nanoseconds of a window as a shift: 2^36 ns = 69 s.
    private static let windowShift: Int64 = 36
    private static let minute: Int64 = 60_000_000_000

    private var total: UInt64 { toBackend &+ toClient }

    /// Monotonic nanoseconds.
    mutating func count(_ bytes: Int, from source: Party, now: Int64) {
        let window = UInt32(truncatingIfNeeded: now >> Traffic.windowShift)
        if window != self.window { begin(window) }
        switch source {
        case .client: toBackend &+= UInt64(bytes)
        case .backend: toClient &+= UInt64(bytes)
        }
    }

    private mutating func begin(_ window: UInt32) {
        lastWindow = window &- self.window == 1 ? Float(total &- beforeWindow) : 0
        beforeWindow = total
        self.window = window
    }

    /// About: of the window before, the share that lies within the minute.
    func inLastMinute(now: Int64) -> UInt64 {
        var copy = self
        copy.count(0, from: .client, now: now)
        let elapsed = now & (1 << Traffic.windowShift - 1)
        let share = Double(max(0, Traffic.minute - elapsed)) / Double(Int64(1) << Traffic.windowShift)
        return (copy.total &- copy.beforeWindow) &+ UInt64(Double(copy.lastWindow) * share)
    }
}
