// How long a test waits for what must come. Nothing that the product promises: only that a test which waits in vain ends
// and says so. So it is longer than the busiest machine takes.

package enum Patience {
    package static let limit = Duration.seconds(300)
    /// The same for calls that count in seconds.
    package static let seconds = 300
}
