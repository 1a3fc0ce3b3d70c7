// Descriptors that one thread watches: thousands of connections without a thread for each.
import Glibc
import Model

/// `poll` over all of them: a look at 9,000 costs the kernel a millisecond, so a thread that holds thousands looks at
/// them every few milliseconds, not at each event.
struct Watched: ~Copyable {
    private var entries: [pollfd] = []

    var count: Int { entries.count }

    deinit {
        for entry in entries { close(entry.fd) }
    }

    /// Takes the descriptor over.
    mutating func add(_ number: Int32) { entries.append(pollfd(fd: number, events: Int16(POLLIN), revents: 0)) }

    /// Waits until one of them is ready; the places of those that are, the last first, so that `remove` disturbs no
    /// place that is still to come.
    mutating func ready(within limit: Duration) -> [Int] {
        let count = poll(&entries, nfds_t(entries.count), Int32(limit.wholeMilliseconds))
        guard count > 0 else { return [] }
        return entries.withUnsafeBufferPointer { entries in
            var places: [Int] = []
            var place = entries.count
            while place > 0, places.count < count {
                place -= 1
                if entries[place].revents != 0 { places.append(place) }
            }
            return places
        }
    }

    func number(at place: Int) -> Int32 { entries[place].fd }

    /// Closes it; the last one takes its place.
    mutating func remove(at place: Int) {
        close(entries[place].fd)
        entries[place] = entries[entries.count - 1]
        entries.removeLast()
    }
}

/// How late this machine let a thread come that wants to look every few milliseconds: what it does meanwhile for
/// others it then does at once.
struct Lateness {
    private let turn: Duration
    private var last: ContinuousClock.Instant?
    private(set) var most = Duration.zero

    /// `turn`: from one look to the next, where nothing holds it up.
    init(turn: Duration) { self.turn = turn }

    mutating func look(at now: ContinuousClock.Instant) {
        if let last { most = max(most, now - last - turn) }
        last = now
    }
}
