// How many connects were timed and how long they took, in one word, so that a reader never sees the one without the other.
//
// Both go round: what counts is the difference of two looks, which is right as long as fewer than 16 million connects, or
// 12 days of connecting, lie between them.

@frozen package struct ConnectTimes: Equatable, Sendable {
    /// 24 bits of connects above 40 bits of microseconds.
    @usableFromInline var word: UInt64

    @inlinable static var bits: UInt64 { 40 }
    @inlinable static var microsecondsMask: UInt64 { (1 << bits) - 1 }
    @inlinable static var countMask: UInt64 { (1 << 24) - 1 }

    @inlinable init(word: UInt64) { self.word = word }

    @inlinable init(count: UInt64, microseconds: UInt64) {
        word = (count & ConnectTimes.countMask) << ConnectTimes.bits | (microseconds & ConnectTimes.microsecondsMask)
    }

    @inlinable package var count: UInt64 { word >> ConnectTimes.bits }
    @inlinable package var microseconds: UInt64 { word & ConnectTimes.microsecondsMask }

    @inlinable func adding(_ taken: UInt32) -> ConnectTimes {
        ConnectTimes(count: count &+ 1, microseconds: microseconds &+ UInt64(taken))
    }

    mutating func add(_ other: ConnectTimes) {
        self = ConnectTimes(count: count &+ other.count, microseconds: microseconds &+ other.microseconds)
    }

    /// What has come since an earlier look.
    package func since(_ earlier: ConnectTimes) -> ConnectTimes {
        ConnectTimes(count: count &- earlier.count, microseconds: microseconds &- earlier.microseconds)
    }
}
