// How a pool's backends are watched: the check, its pace, and what its findings lead to.

package struct HealthConfiguration: Equatable, Sendable {
    package enum Check: Equatable, Sendable {
        /// No probes: the backend counts as up.
        case none
        /// A TCP connect that succeeds.
        case connect
        /// A connect, then `send` where given, then `expect` in what the backend says.
        case banner(send: String?, expect: String, match: BannerMatch = .prefix)
        case http(HTTPRequest)
        /// Program and arguments, with placeholders; exit status 0 is up.
        case command([String])
    }

    package var check: Check
    package var interval: Duration
    /// While the state is changing; never longer than `interval`.
    package var fastInterval: Duration
    /// By how many per cent a probe may come earlier, by chance.
    package var jitter: Int
    package var timeout: Duration
    /// Successes in a row that turn `down` into `up`.
    package var rise: Int
    /// Failures in a row that turn `up` into `down`.
    package var fall: Int
    /// Nil: what happens to connections says nothing.
    package var passive: PassiveHealth?
    package var whenDown: WhenDown

    package init(
        check: Check, interval: Duration, fastInterval: Duration = .milliseconds(500), jitter: Int = 10, timeout: Duration,
        rise: Int, fall: Int, passive: PassiveHealth? = PassiveHealth(), whenDown: WhenDown = .keep
    ) {
        self.check = check
        self.interval = interval
        self.fastInterval = min(fastInterval, interval)
        self.jitter = jitter
        self.timeout = timeout
        self.rise = rise
        self.fall = fall
        self.passive = passive
        self.whenDown = whenDown
    }
}

/// Where the expected text has to stand in what the backend says.
package enum BannerMatch: String, CaseIterable, Sendable {
    case prefix, contains
}

/// What an http check asks, and which answer is a good one.
package struct HTTPRequest: Equatable, Sendable {
    package var path: String
    /// Nil: the backend's address.
    package var host: String?
    package var statuses: [ClosedRange<Int>]
    /// A text that the body must hold.
    package var body: String?

    package init(path: String = "/", host: String? = nil, statuses: [ClosedRange<Int>] = [200...299], body: String? = nil) {
        self.path = path
        self.host = host
        self.statuses = statuses
        self.body = body
    }
}

/// So many connections of clients failing within so long are worth a probe at once.
package struct PassiveHealth: Equatable, Sendable {
    package var failures: Int
    package var within: Duration

    package init(failures: Int = 3, within: Duration = .seconds(5)) {
        self.failures = failures
        self.within = within
    }
}

/// What becomes of the connections of a backend that has been found down.
package enum WhenDown: String, CaseIterable, Sendable {
    case keep, reset
}
