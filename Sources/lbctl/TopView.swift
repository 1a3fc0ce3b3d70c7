// What the viewer of `top` has chosen: page, order, selection, pace; and what each key does to it.
import ArgumentParser
import Model
import Statistics

enum TopSort: String, CaseIterable, ExpressibleByArgument, Sendable {
    case connections, rate, failures
    case connectTime = "connect-time"
    case bytes, name
}

enum TopConnectionSort: String, CaseIterable, Sendable { case age, idle, bytes, client }

/// What can be selected.
enum TopItem: Hashable {
    /// Its index.
    case pool(Int)
    /// Its slot.
    case backend(Int)
    case connection(ConnectionID)
}

/// What a key asks of the program.
enum TopOrder: Equatable {
    /// A drawing of what is there.
    case draw
    /// Another look first.
    case look
    /// All of the screen anew: something else has written to it.
    case redraw
    case suspend
    case quit
}

struct TopView: Equatable {
    enum Page: Equatable {
        case overview
        case pool(Int)
        /// Its slot.
        case backend(Int)
    }

    /// A page, and where the viewer stands on it.
    struct Stop: Equatable {
        var page: Page
        var selected: TopItem?
        /// Its place when it was last seen: its neighbour is selected when it goes.
        var place = 0
    }

    /// The way here; never empty.
    private(set) var stops: [Stop]
    private(set) var sort: TopSort?
    private(set) var connectionSort = TopConnectionSort.age
    private(set) var isPaused = false
    private(set) var showsHelp = false
    private(set) var interval: Duration
    private(set) var balancer = 0
    let balancers: Int

    init(sort: TopSort? = nil, interval: Duration = .seconds(1), balancers: Int = 1) {
        stops = [Stop(page: .overview)]
        (self.sort, self.interval, self.balancers) = (sort, interval, balancers)
    }

    var page: Page { stops[stops.count - 1].page }

    /// The place of the selection among the items: where it is now, or where it was before it went.
    func place(among items: [TopItem]) -> Int? {
        guard !items.isEmpty else { return nil }
        let stop = stops[stops.count - 1]
        if let selected = stop.selected, let place = items.firstIndex(of: selected) { return place }
        return min(stop.place, items.count - 1)
    }

    /// `items`: what can be selected on this page, in the order shown; `rows`: how many of them are seen at once.
    mutating func take(_ key: Key, among items: [TopItem], rows: Int) -> TopOrder {
        if showsHelp, key != .interrupt, key != .suspend { return leaveHelp(key) }
        switch key {
        case .interrupt: return .quit
        case .suspend: return .suspend
        case .redraw: return .redraw
        case .up: return move(by: -1, among: items)
        case .down: return move(by: 1, among: items)
        case .pageUp: return move(by: -max(1, rows - 1), among: items)
        case .pageDown: return move(by: max(1, rows - 1), among: items)
        case .first: return move(by: -items.count, among: items)
        case .last: return move(by: items.count, among: items)
        case .enter: return enter(items)
        case .escape: return back()
        case .tab: return turn(by: 1)
        case .backTab: return turn(by: -1)
        case .character(let character): return take(character, among: items)
        }
    }

    private mutating func take(_ character: Character, among items: [TopItem]) -> TopOrder {
        switch character {
        case "q": return .quit
        case "k": return move(by: -1, among: items)
        case "j": return move(by: 1, among: items)
        case "g": return move(by: -items.count, among: items)
        case "G": return move(by: items.count, among: items)
        case "?", "h": showsHelp = true
        case "p":
            isPaused.toggle()
            return isPaused ? .draw : .look
        case "+", "=": interval = TopView.intervals.first { $0 > interval } ?? interval
        case "-": interval = TopView.intervals.last { $0 < interval } ?? interval
        default: order(by: character)
        }
        return .draw
    }

    private static let intervals: [Duration] = [.milliseconds(200), .milliseconds(500)] + [1, 2, 5, 10, 30, 60].map { .seconds($0) }

    private mutating func leaveHelp(_ key: Key) -> TopOrder {
        showsHelp = false
        return key == .character("q") ? .quit : .draw
    }

    /// A key that means nothing on this page changes nothing.
    private mutating func order(by key: Character) {
        switch page {
        case .overview, .pool:
            guard let chosen = TopSort.allCases.first(where: { $0.key == key }) else { return }
            // Once more: as in the configuration.
            sort = sort == chosen ? nil : chosen
        case .backend:
            guard let chosen = TopConnectionSort.allCases.first(where: { $0.key == key }) else { return }
            connectionSort = chosen
        }
    }

    private mutating func move(by steps: Int, among items: [TopItem]) -> TopOrder {
        guard let place = place(among: items) else { return .draw }
        select(min(max(0, place + steps), items.count - 1), of: items)
        return .draw
    }

    private mutating func select(_ place: Int, of items: [TopItem]) {
        stops[stops.count - 1].place = place
        stops[stops.count - 1].selected = items[place]
    }

    private mutating func enter(_ items: [TopItem]) -> TopOrder {
        guard let place = place(among: items) else { return .draw }
        select(place, of: items)
        switch items[place] {
        case .pool(let index): stops.append(Stop(page: .pool(index)))
        case .backend(let slot): stops.append(Stop(page: .backend(slot)))
        case .connection: break
        }
        return .draw
    }

    private mutating func back() -> TopOrder {
        if stops.count > 1 { stops.removeLast() }
        return .draw
    }

    /// Another balancer's pools and slots are others.
    private mutating func turn(by step: Int) -> TopOrder {
        guard balancers > 1 else { return .draw }
        balancer = (balancer + step + balancers) % balancers
        stops = [Stop(page: .overview)]
        return .look
    }

    /// After a look: the selection stays with what was selected, or goes to who stands in its place now; a page whose subject
    /// has gone is left.
    mutating func settle(in observation: Observation, among items: (TopView) -> [TopItem]) {
        stops = stops.enumerated().filter { $0.offset == 0 || TopView.exists($0.element.page, in: observation) }.map(\.element)
        let items = items(self)
        guard let place = place(among: items) else { return }
        // Nothing chosen yet stays so: the first is shown as selected, whichever it is.
        guard stops[stops.count - 1].selected != nil else { return }
        select(place, of: items)
    }

    private static func exists(_ page: Page, in observation: Observation) -> Bool {
        switch page {
        case .overview: true
        case .pool(let index): observation.pools.contains { $0.index == index }
        case .backend(let slot): observation.backend(slot) != nil
        }
    }
}

extension TopSort {
    var key: Character {
        switch self {
        case .connections: "c"
        case .rate: "r"
        case .failures: "f"
        case .connectTime: "t"
        case .bytes: "b"
        case .name: "n"
        }
    }
}

extension TopConnectionSort {
    var key: Character {
        switch self {
        case .age: "a"
        case .idle: "i"
        case .bytes: "b"
        case .client: "n"
        }
    }
}

extension Observation {
    func backend(_ slot: Int) -> (pool: ObservedPool, backend: ObservedBackend)? {
        for pool in pools {
            if let backend = pool.backends.first(where: { $0.slot == slot }) { return (pool, backend) }
        }
        return nil
    }
}
