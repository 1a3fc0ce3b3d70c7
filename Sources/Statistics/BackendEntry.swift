// What the control plane writes into the segment about a backend: what fits into two lines, and details of those that
// have any, so that thousands of idle ones cost little.
import Model

package struct BackendEntry: Equatable {
    package var pool: Int  // 8
    package var name: String  // 48, 64
    /// Nil: in the details.
    package var address: IPEndpoint?  // 10 family, 12 port, 32 address
    package var wish: Wish  // 5
    package var probe: ProbeFinding  // 6
    package var availability: Availability  // 7
    /// Its former address, whose connections go on.
    package var isFormer = false  // 11, bit 0
    package var hasDetails = false  // 11, bit 1
    package var weight: Int  // 16
    package var connectionsMax: Int?  // 20

    package init(
        pool: Int, name: String, address: IPEndpoint?, wish: Wish, probe: ProbeFinding, availability: Availability, weight: Int, connectionsMax: Int?
    ) {
        (self.pool, self.name, self.address, self.wish, self.probe) = (pool, name, address, wish, probe)
        (self.availability, self.weight, self.connectionsMax) = (availability, weight, connectionsMax)
    }

    var bytes: EntryBytes {
        var entry = EntryBytes(count: SegmentArea.backends.stride)
        entry.put(UInt8(1), at: 4)
        entry.put(wish.place, at: 5)
        entry.put(probe.place, at: 6)
        entry.put(availability.place, at: 7)
        entry.put(UInt16(truncatingIfNeeded: pool), at: 8)
        entry.put(UInt8((isFormer ? 1 : 0) | (hasDetails ? 2 : 0)), at: 11)
        entry.put(UInt32(clamping: weight), at: 16)
        entry.put(UInt32(clamping: connectionsMax ?? 0), at: 20)
        if let address {
            entry.put(UInt8(address.address.family == .ipv4 ? 4 : 6), at: 10)
            entry.put(address.port, at: 12)
            entry.put(address.address.high, at: 32)
            entry.put(address.address.low, at: 40)
        }
        entry.put(name, at: 48, bytesMax: 64)
        return entry
    }

    /// Nil: nobody has the number, or it says what no version of ours says.
    init?(_ entry: EntryBytes) {
        guard entry.byte(at: 4) == 1, let wish = Wish(place: entry.byte(at: 5)), let probe = ProbeFinding(place: entry.byte(at: 6)),
            let availability = Availability(place: entry.byte(at: 7))
        else { return nil }
        let most = Int(entry.number(at: 20, as: UInt32.self))
        self.init(
            pool: Int(entry.number(at: 8, as: UInt16.self)), name: entry.text(at: 48, bytesMax: 64),
            address: ConnectionRow.client(
                family: UInt64(entry.byte(at: 10)), port: entry.number(at: 12), high: entry.number(at: 32), low: entry.number(at: 40)),
            wish: wish, probe: probe, availability: availability, weight: Int(entry.number(at: 16, as: UInt32.self)),
            connectionsMax: most == 0 ? nil : most)
        isFormer = entry.byte(at: 11) & 1 != 0
        hasDetails = entry.byte(at: 11) & 2 != 0
    }

    static func rates(_ entry: EntryBytes) -> (connections: Double, bytes: Double) {
        (Double(Float(bitPattern: entry.number(at: LooseWords.backend))), Double(Float(bitPattern: entry.number(at: LooseWords.backend + 4))))
    }
}

package struct BackendDetails: Equatable {
    /// What the slot's counters stood at when this backend got it.
    package var before: BackendTotals  // 8, 7 × 8
    package var drain: ObservedDrain?  // 64 since, 72 deadline, 80 lease; 0: none; 96 owner, 128; 232 reason, 160
    /// Of a Unix socket.
    package var path: String  // 400, 108

    package init(before: BackendTotals?, drain: ObservedDrain?, path: String) {
        (self.before, self.drain, self.path) = (before ?? BackendTotals(), drain, path)
    }

    /// There is nothing in it that has to be written.
    package var isEmpty: Bool { before == BackendTotals() && drain == nil && path.isEmpty }

    var bytes: EntryBytes {
        var entry = EntryBytes(count: SegmentArea.details.stride)
        let counters = [
            before.connections, before.connectFailures, before.backendResets, before.clientResets, before.bytesToBackend, before.bytesToClient,
            before.connectTimes.word,
        ]
        for (index, counter) in counters.enumerated() { entry.put(counter, at: 8 + 8 * index) }
        if let drain {
            entry.put(drain.since.milliseconds, at: 64)
            entry.put(drain.deadline?.milliseconds ?? 0, at: 72)
            entry.put(drain.leaseUntil?.milliseconds ?? 0, at: 80)
            entry.put(drain.owner, at: 96, bytesMax: 128)
            entry.put(drain.reason ?? "", at: 232, bytesMax: 160)
        }
        entry.put(path, at: 400, bytesMax: 108)
        return entry
    }

    init(_ entry: EntryBytes) {
        let counter = { (index: Int) -> UInt64 in entry.number(at: 8 + 8 * index) }
        var before = BackendTotals(
            connections: counter(0), connectFailures: counter(1), backendResets: counter(2), clientResets: counter(3),
            bytesToBackend: counter(4), bytesToClient: counter(5))
        before.connectTimes = ConnectTimes(word: counter(6))
        let time = { (place: Int) -> Timestamp? in entry.milliseconds(at: place) == 0 ? nil : Timestamp(milliseconds: entry.milliseconds(at: place)) }
        let reason = entry.text(at: 232, bytesMax: 160)
        self.init(
            before: before,
            drain: time(64).map {
                ObservedDrain(
                    owner: entry.text(at: 96, bytesMax: 128), reason: reason.isEmpty ? nil : reason, since: $0, deadline: time(72), leaseUntil: time(80))
            }, path: entry.text(at: 400, bytesMax: 108))
    }
}

// Places of the states: what is stored stays as it is, whatever the order of the cases.

extension Wish {
    fileprivate var place: UInt8 {
        switch self {
        case .ready: 1
        case .drain: 2
        case .maintenance: 3
        }
    }

    fileprivate init?(place: UInt8) {
        guard let wish = Wish.allCases.first(where: { $0.place == place }) else { return nil }
        self = wish
    }
}

extension ProbeFinding {
    fileprivate var place: UInt8 {
        switch self {
        case .unknown: 1
        case .up: 2
        case .down: 3
        }
    }

    fileprivate init?(place: UInt8) {
        guard let finding = ProbeFinding.allCases.first(where: { $0.place == place }) else { return nil }
        self = finding
    }
}

extension Availability {
    fileprivate var place: UInt8 {
        switch self {
        case .available: 1
        case .warming: 2
        case .unknown: 3
        case .draining: 4
        case .drained: 5
        case .down: 6
        case .maintenance: 7
        }
    }

    fileprivate init?(place: UInt8) {
        guard let availability = Availability.allCases.first(where: { $0.place == place }) else { return nil }
        self = availability
    }
}
