// How many checks by command run at once, and whose turn it is: a fork costs what a thousand connects do, and a machine
// that is slow with them must not be given more and more.
import EventLoop
import Model

/// No pool has more places than it leaves free: one alone has half of them, so that its hanging commands keep nobody
/// else's waiting. Among those who wait the pool with the fewest comes first.
@ControlPlane final class CommandPlaces {
    static let shared = CommandPlaces(32)

    enum Turn {
        case taken(CommandPlace)
        /// So many as the pool may have are taken by its commands that cannot be ended.
        case stuck(Int)
        /// All there are are, by several pools' together.
        case allStuck(Int)
        case cancelled
    }

    @ControlPlane private final class Waiter {
        let pool: PoolName
        let wait = Wait()
        var place: CommandPlace?

        init(_ pool: PoolName) { self.pool = pool }
    }

    private var free: Int
    private var line: [Waiter] = []
    private var taken: [PoolName: [CommandPlace]] = [:]

    init(_ count: Int) { free = count }

    /// In turn. `patience`: between two looks at what the pool's places are taken by.
    func take(for pool: PoolName, patience: Duration) async -> Turn {
        // Who waits for this pool would have been served.
        if let place = place(for: pool) { return .taken(place) }
        let waiter = Waiter(pool)
        line.append(waiter)
        while true {
            let outcome = await waiter.wait.pause(for: patience)
            if outcome == .timedOut, waiter.place == nil, !isStuck(pool), !areAllStuck { continue }
            line.removeAll { $0 === waiter }
            if outcome == .cancelled {
                waiter.place?.giveBack()
                return .cancelled
            }
            if let place = waiter.place { return .taken(place) }
            return isStuck(pool) ? .stuck(count(pool)) : .allStuck(taken.values.reduce(0) { $0 + $1.count })
        }
    }

    private func count(_ pool: PoolName) -> Int { taken[pool]?.count ?? 0 }

    private func isStuck(_ pool: PoolName) -> Bool { taken[pool]?.allSatisfy(\.isStuck) ?? false }

    /// Nobody gives one back.
    private var areAllStuck: Bool { taken.values.allSatisfy { $0.allSatisfy(\.isStuck) } }

    private func mayTake(_ pool: PoolName) -> Bool { count(pool) < free }

    private func place(for pool: PoolName) -> CommandPlace? {
        guard mayTake(pool) else { return nil }
        let place = CommandPlace(of: pool, self)
        free -= 1
        taken[pool, default: []].append(place)
        return place
    }

    fileprivate func giveBack(_ place: CommandPlace) {
        taken[place.pool]?.removeAll { $0 === place }
        if taken[place.pool]?.isEmpty ?? false { taken[place.pool] = nil }
        free += 1
        while let next = next(), let place = self.place(for: next.pool) {
            line.removeAll { $0 === next }
            next.place = place
            // Where its wait has ended in this very turn of the loop, it sees the place then.
            next.wait.finish(.ready)
        }
    }

    /// The first in line of the pool that has the fewest.
    private func next() -> Waiter? {
        line.filter { mayTake($0.pool) }.min { count($0.pool) < count($1.pool) }
    }
}

/// Of one command; whoever has it gives it back.
@ControlPlane final class CommandPlace {
    let pool: PoolName
    /// Its command does not begin, or was killed and does not end: the kernel holds it.
    var isStuck = false
    private weak var places: CommandPlaces?

    fileprivate init(of pool: PoolName, _ places: CommandPlaces) { (self.pool, self.places) = (pool, places) }

    /// Once.
    func giveBack() {
        places?.giveBack(self)
        places = nil
    }
}
