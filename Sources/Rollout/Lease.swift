// The terms of a rollout's drains: they end by themselves when nobody renews them.
import Model

/// A rollout that dies leaves nothing drained for ever; so one that was only stopped for a while may find its drain
/// ended, and an answer that waited unread may be older than the lease.
package enum Lease {
    package static let length = Duration.seconds(30)
    /// Two renewals may fail before the lease ends.
    package static let renewal = Duration.seconds(10)
    /// How long after it was asked for 'drained' may be acted on: by then the lease has this much less left,
    /// and the next renewal is still in time.
    package static let trust = length - renewal
}
