// What became of a backend's connections, counted so that two groups of backends can be compared.
//
// Counts and coarse histograms only: they add up over workers, backends and balancers, two readings have a difference, and
// a comparison of shares needs no assumption about how the values are distributed.

package struct ConnectionOutcomes: Equatable, Sendable {
    /// Connects that succeeded.
    package var connections: UInt64 = 0
    package var connectFailures: UInt64 = 0
    /// Connections that the backend reset.
    package var backendResets: UInt64 = 0
    /// From the client's last byte before it, or from the connect, to the backend's first byte. By `FirstByteBuckets`.
    package var firstBytes = [UInt64](repeating: 0, count: FirstByteBuckets.count)
    /// Connections that ended early, by their age then. By `EarlyEndBuckets`. None that lbd or an operator ended.
    package var earlyEnds = [UInt64](repeating: 0, count: EarlyEndBuckets.count)
    /// What the backend had sent to connections that ended within `AnswerBuckets.age`. By `AnswerBuckets`.
    package var answers = [UInt64](repeating: 0, count: AnswerBuckets.count)

    package init() {}

    package static func + (left: Self, right: Self) -> Self { left.joined(right, &+, &+) }

    /// What came since. The counters of histograms go round at 2^32.
    package static func - (now: Self, before: Self) -> Self { now.joined(before, &-) { ($0 &- $1) & 0xFFFF_FFFF } }

    private func joined(_ other: Self, _ join: (UInt64, UInt64) -> UInt64, _ joinBucket: (UInt64, UInt64) -> UInt64) -> Self {
        var sum = self
        sum.connections = join(connections, other.connections)
        sum.connectFailures = join(connectFailures, other.connectFailures)
        sum.backendResets = join(backendResets, other.backendResets)
        sum.firstBytes = zip(firstBytes, other.firstBytes).map(joinBucket)
        sum.earlyEnds = zip(earlyEnds, other.earlyEnds).map(joinBucket)
        sum.answers = zip(answers, other.answers).map(joinBucket)
        return sum
    }
}

/// Each twice as wide as the one before; the first ends at 131 µs, the last begins at 2.1 s.
@frozen package enum FirstByteBuckets {
    @inlinable package static var count: Int { 16 }
    @inlinable static var shift: UInt64 { 17 }

    @inlinable package static func index(of nanoseconds: Int64) -> Int {
        let units = UInt64(max(0, nanoseconds)) >> shift
        return min(count - 1, 64 - units.leadingZeroBitCount)
    }

    /// Where the bucket begins.
    package static func start(of bucket: Int) -> Duration { bucket == 0 ? .zero : .nanoseconds(Int64(1) << (Int64(shift) + Int64(bucket) - 1)) }
}

/// Each four times as wide; the first ends at 8.4 ms, the last at 137 s. Who is older has not ended early.
@frozen package enum EarlyEndBuckets {
    @inlinable package static var count: Int { 8 }
    @inlinable static var shift: UInt64 { 23 }

    /// nil: older.
    @inlinable package static func index(of nanoseconds: Int64) -> Int? {
        let units = UInt64(max(0, nanoseconds)) >> shift
        let index = (64 - units.leadingZeroBitCount + 1) / 2
        return index < count ? index : nil
    }

    /// Younger than this.
    package static func end(of bucket: Int) -> Duration { .nanoseconds(Int64(1) << (Int64(shift) + 2 * Int64(bucket))) }
}

/// Nothing; then less than 256 B, 1 KiB, 4 KiB, 16 KiB, 64 KiB, 256 KiB; then more.
@frozen package enum AnswerBuckets {
    @inlinable package static var count: Int { 8 }
    /// In nanoseconds: connections that were younger when they ended. Of older ones the bytes go with the age.
    @inlinable package static var age: Int64 { 1 << 31 }

    @inlinable package static func index(of bytes: UInt64) -> Int {
        guard bytes > 0 else { return 0 }
        let doublings = 64 - (bytes >> 8).leadingZeroBitCount
        return min(count - 1, 1 + (doublings + 1) / 2)
    }

    /// Fewer bytes than this.
    package static func end(of bucket: Int) -> Int { bucket == 0 ? 1 : 256 << (2 * (bucket - 1)) }
}
