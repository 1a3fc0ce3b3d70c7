// Columns of the live view: those that a screen is wide enough for, the most needed ones first.
import Model
import Statistics

struct TopColumn<Row> {
    let title: String
    var width: Int
    /// What is left out of a narrow screen goes by it, the highest first; 0 never.
    let rank: Int
    var isNumber = false
    let text: (Row) -> String
    var style: (Row) -> ScreenStyle = { _ in .plain }

    func cell(_ row: Row) -> String { isNumber ? text(row).aligned(to: width) : text(row).onScreen.padded(to: width) }
    var head: String { isNumber ? title.aligned(to: width) : title.padded(to: width) }
}

enum TopColumns {
    static let gap = 2

    /// Those that fit, in the order given; those that never go are there in any case.
    static func fit<Row>(_ columns: [TopColumn<Row>], into width: Int) -> [TopColumn<Row>] {
        var left = width
        var chosen: Set<Int> = []
        let byNeed = columns.indices.sorted { (columns[$0].rank, $0) < (columns[$1].rank, $1) }
        for index in byNeed {
            let cost = columns[index].width + gap
            guard columns[index].rank == 0 || left >= cost else { break }
            chosen.insert(index)
            left -= cost
        }
        return columns.indices.filter(chosen.contains).map { columns[$0] }
    }

    static func titles<Row>(_ columns: [TopColumn<Row>]) -> ScreenLine {
        ScreenLine("  " + columns.map(\.head).joined(separator: "  "), .bold)
    }

    static func line<Row>(_ row: Row, _ columns: [TopColumn<Row>]) -> ScreenLine {
        var line = ScreenLine("  ")
        for (index, column) in columns.enumerated() {
            if index > 0 { line.add("  ") }
            line.add(column.cell(row), column.style(row))
        }
        return line
    }
}

/// A backend among its peers.
struct TopBackendRow {
    let backend: ObservedBackend
    /// What its connections are measured against: its own limit, else the most that any backend of its pool has.
    let most: Int
}

extension TopColumns {
    static func backends(_ pools: [ObservedPool], _ pace: TopPace, width: Int) -> [TopColumn<TopBackendRow>] {
        let names = pools.flatMap(\.backends).map(\.name.onScreen.utf8.count).max() ?? 0
        let addresses = pools.flatMap(\.backends).map(\.address.onScreen.utf8.count).max() ?? 0
        // Beside what a narrow screen shows in any case.
        let nameWidth = min(max(7, names), max(8, min(40, width - 24)))
        return fit([
            TopColumn(title: "BACKEND", width: nameWidth, rank: 0, text: { $0.backend.name.onScreen.nameCut(to: nameWidth) }),
            TopColumn(title: "AVAILABILITY", width: 12, rank: 0, text: { $0.backend.availability.rawValue }, style: { $0.backend.availability.style }),
            TopColumn(title: "CONNS", width: 5, rank: 0, isNumber: true, text: { TopText.count(UInt64(max(0, $0.backend.connections))) }),
            TopColumn(title: "", width: 10, rank: 4, text: { TopText.bar($0.backend.connections, of: $0.most, width: 10) }, style: { $0.isFull ? .warning : .plain }),
            TopColumn(title: "CONNS/S", width: 7, rank: 1, isNumber: true, text: { TopText.rate(pace.rate($0.backend)) }),
            TopColumn(title: "BYTES/S", width: 7, rank: 3, isNumber: true, text: { TopText.bytes(pace.byteRate($0.backend)) }),
            TopColumn(title: "CONNECT", width: 7, rank: 5, isNumber: true, text: { TopText.time(pace.connectTime($0.backend)) }),
            TopColumn(title: "FAILED", width: 8, rank: 2, isNumber: true, text: { failures($0.backend, pace) }, style: { pace.newFailures($0.backend) > 0 ? .bad : .plain }),
            TopColumn(title: "TOTAL", width: 6, rank: 6, isNumber: true, text: { TopText.count($0.backend.totals.connections) }),
            TopColumn(title: "PROBE", width: 7, rank: 7, text: { $0.backend.probe.rawValue }),
            TopColumn(title: "WISH", width: 11, rank: 8, text: { $0.backend.wish.rawValue }),
            TopColumn(title: "WEIGHT", width: 6, rank: 9, isNumber: true, text: { "\($0.backend.weight)" }),
            TopColumn(title: "ADDRESS", width: max(7, addresses), rank: 10, text: { $0.backend.address.onScreen }),
        ], into: width - 2 + gap)
    }

    /// With those that came since the look before.
    private static func failures(_ backend: ObservedBackend, _ pace: TopPace) -> String {
        let new = pace.newFailures(backend)
        return TopText.count(backend.totals.failures) + (new > 0 ? "+\(TopText.count(new))" : "")
    }

    static func connections(_ connections: [ObservedConnection], width: Int) -> [TopColumn<ObservedConnection>] {
        let idWidth = max(5, (connections.map(\.id.serial).max().map { "\($0)".utf8.count } ?? 0) + 3)
        let hasLong = connections.contains { $0.client?.address.family == .ipv6 }
        return fit([
            TopColumn(title: "ID", width: idWidth, rank: 0, text: { $0.id.description }),
            TopColumn(title: "CLIENT", width: hasLong ? 47 : 21, rank: 0, text: { $0.client?.description ?? "-" }),
            TopColumn(title: "AGE", width: 8, rank: 1, isNumber: true, text: { TopText.time($0.age) }),
            TopColumn(title: "IDLE", width: 8, rank: 2, isNumber: true, text: { TopText.time($0.idle) }),
            TopColumn(title: "PHASE", width: 22, rank: 3, text: { $0.phase.rawValue }),
            TopColumn(title: "TO-BACKEND", width: 10, rank: 4, isNumber: true, text: { TopText.bytes($0.bytesToBackend) }),
            TopColumn(title: "TO-CLIENT", width: 9, rank: 5, isNumber: true, text: { TopText.bytes($0.bytesToClient) }),
        ], into: width - 2 + gap)
    }
}

extension TopBackendRow {
    fileprivate var isFull: Bool { backend.connectionsMax.map { backend.connections >= $0 } ?? false }
}

extension Availability {
    fileprivate var style: ScreenStyle {
        switch self {
        case .available, .warming: .good
        case .unknown, .draining, .drained, .maintenance: .warning
        case .down: .bad
        }
    }
}
