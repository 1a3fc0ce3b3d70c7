// Deadlines of a worker's connections: a coarse wheel, swept lazily.
//
// A connection lies in the bucket of the tick at which it wants to be looked at, not of its exact deadline: what
// happens on a connection costs the wheel nothing, the look computes what is still to wait and files it anew.
// Deadlines beyond the horizon are looked at once per turn. See Varghese and Lauck, "Hashed and Hierarchical
// Timing Wheels", scheme 6.

struct TimerWheel {
    /// Nanoseconds per tick as a shift: 2^26 ns = 67 ms, well inside the 100 ms that timeouts may be late.
    static let tickShift: Int64 = 26
    static let bucketCount: Int64 = 512

    private var buckets = [ConnectionHandle?](repeating: nil, count: Int(bucketCount))
    private var count = 0
    /// The last tick that was swept.
    private(set) var swept: Int64

    /// A moment in four bytes, for records; never 0. Enough for nine years after the boot.
    static func tick(at nanoseconds: Int64) -> UInt32 { max(1, UInt32(truncatingIfNeeded: nanoseconds >> tickShift)) }
    /// Nothing is early by what a tick leaves out.
    static func end(ofTick tick: UInt32) -> Int64 { (Int64(tick) + 1) << tickShift }

    init(now: Int64) { swept = now >> TimerWheel.tickShift }

    var isEmpty: Bool { count == 0 }

    /// Files the connection to be looked at `deadline` (nanoseconds), at the next tick at the earliest, at the
    /// horizon at the latest. The tick that it was filed under.
    @discardableResult
    mutating func file(_ connection: ConnectionHandle, deadline: Int64) -> Int64 {
        remove(connection)
        // One tick later than the deadline's own: a look must not come before it.
        let wanted = (deadline >> TimerWheel.tickShift) + 1
        let tick = min(max(wanted, swept + 1), swept + TimerWheel.bucketCount - 1)
        let bucket = Int(tick & (TimerWheel.bucketCount - 1))
        let first = buckets[bucket]
        connection.record.wheelNext = first
        connection.record.wheelPrevious = nil
        connection.record.wheelBucket = Int32(bucket)
        first?.record.wheelPrevious = connection
        buckets[bucket] = connection
        count += 1
        return tick
    }

    /// Files the connection under the tick after `now`; one that lies there already stays.
    mutating func fileForNextTick(_ connection: ConnectionHandle, now: Int64) {
        let tick = max((now >> TimerWheel.tickShift) + 1, swept + 1)
        guard connection.record.wheelBucket != Int32(tick & (TimerWheel.bucketCount - 1)) else { return }
        file(connection, deadline: now)
    }

    mutating func remove(_ connection: ConnectionHandle) {
        let bucket = connection.record.wheelBucket
        guard bucket >= 0 else { return }
        let next = connection.record.wheelNext
        if let previous = connection.record.wheelPrevious {
            previous.record.wheelNext = next
        } else {
            buckets[Int(bucket)] = next
        }
        next?.record.wheelPrevious = connection.record.wheelPrevious
        connection.record.wheelBucket = -1
        connection.record.wheelNext = nil
        connection.record.wheelPrevious = nil
        count -= 1
    }

    /// One connection that is due at `now`, removed from the wheel; nil when none is left.
    mutating func nextDue(now: Int64) -> ConnectionHandle? {
        let tick = now >> TimerWheel.tickShift
        while swept < tick {
            if count == 0 { swept = tick; return nil }
            // Nothing lies further ahead than one turn: after a long stop each bucket is visited once.
            swept = max(swept, tick - TimerWheel.bucketCount)
            if let due = buckets[Int((swept + 1) & (TimerWheel.bucketCount - 1))] {
                remove(due)
                return due
            }
            swept += 1
        }
        return nil
    }

    /// Any connection, for ending them all.
    var first: ConnectionHandle? {
        count == 0 ? nil : buckets.lazy.compactMap { $0 }.first
    }

    /// Nanoseconds (monotonic) of the next tick with something in it; nil when empty.
    func nextTick() -> Int64? {
        guard count > 0 else { return nil }
        for step in 1...TimerWheel.bucketCount
        where buckets[Int((swept + step) & (TimerWheel.bucketCount - 1))] != nil {
            return (swept + step) << TimerWheel.tickShift
        }
        return nil
    }
}
