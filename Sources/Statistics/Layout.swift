// Where each number lies in the statistics segment. This is its documented layout, version 1; numbers are little-endian.
//
// The file is areas, each on pages of its own, each an array of entries of one stride. Where an area is written by
// workers, each of them has its own array, one behind the other. No two writers share a line of 64 bytes. Only what is
// in use has memory: the others are holes.
//
// header, at 0:
//     0  magic "SLUICEst"    8  u32 version    12  u32 areas    16  u64 bytes of the file    24  u32 workers    28  u32 0
//    32  for each area, in the order of the table: u64 offset, u32 stride, u32 entries in an array, u32 arrays, u32 0
//
// | area             | arrays  | entry                                         | stride | written by |
// | ---------------- | ------- | --------------------------------------------- | ------ | ---------- |
// | process          | 1       | `ProcessEntry`                                | 512    | control    |
// | processTickets   | 1       | `TicketLine`                                  | 64     | all        |
// | workers          | workers | `WorkerLine`, then hop times                  | 1280   | its worker |
// | listenerTickets  | 1       | `TicketLine`                                  | 64     | all        |
// | listeners        | 1       | `ListenerEntry`                               | 384    | control    |
// | listenerLines    | workers | `ListenerLine`                                | 64     | its worker |
// | endings          | workers | u64 for each of 3 culprits × 20 reasons       | 512    | its worker |
// | pools            | 1       | `PoolEntry`                                   | 128    | control    |
// | poolTimes        | workers | connects, first bytes, durations, lifetimes   | 4736   | its worker |
// | slotTickets      | 1       | `TicketLine`                                  | 64     | all        |
// | backends         | 1       | `BackendEntry`                                | 128    | control    |
// | details          | 1       | `BackendDetails`: of those that have any      | 512    | control    |
// | slotLines        | workers | `BackendLine`                                 | 64     | its worker |
// | outcomes         | workers | u32 counters, see Outcomes                    | 128    | its worker |
// | connectFailures  | workers | u64 for each of 6 reasons                     | 64     | its worker |
// | connections      | workers | `ConnectionRow`                               | 64     | its worker |
//
// Times are 145 u64 counters on the scale of `TimeBuckets`, then a u64 of nanoseconds in all. What control writes in
// more than one step, and a row, begins with a u32 sequence: odd while it is written; what was read between two equal
// even ones is whole.
import Model

@frozen package enum SegmentArea: Int, CaseIterable, Sendable {
    case process, processTickets, workers
    case listenerTickets, listeners, listenerLines, endings
    case pools, poolTimes
    case slotTickets, backends, details, slotLines, outcomes, connectFailures
    case connections

    @inlinable var stride: Int {
        switch self {
        case .process: 512
        case .workers: 64 + TimeLine.bytes
        case .processTickets, .listenerTickets, .slotTickets, .listenerLines, .slotLines, .connectFailures, .connections: SegmentLayout.lineBytes
        case .listeners: 384
        case .endings, .details: 512
        case .pools, .backends, .outcomes: 128
        case .poolTimes: 3 * TimeLine.bytes + SegmentLayout.lifetimeBytes
        }
    }

    /// Each worker has an array of its own.
    @inlinable var isByWorker: Bool {
        switch self {
        case .workers, .listenerLines, .endings, .poolTimes, .slotLines, .outcomes, .connectFailures, .connections: true
        case .process, .processTickets, .listenerTickets, .listeners, .pools, .slotTickets, .backends, .details: false
        }
    }
}

/// How many of each thing the segment has room for.
@frozen package struct SegmentLayout: Equatable, Sendable {
    package let workers: Int
    package let slots: Int
    package let listeners: Int
    package let pools: Int
    /// Connections that each worker can list: whole slabs.
    package let rows: Int
    @usableFromInline let offsets: InlineArray<16, Int>
    package let bytes: Int

    @inlinable static var lineBytes: Int { 64 }
    @inlinable static var pageBytes: Int { 4096 }
    static var version: UInt32 { 1 }
    /// Rows that are reserved at once: a page of them, as many as a slab has records.
    package static var slabRows: Int { pageBytes / SegmentArea.connections.stride }
    /// Whole lines.
    @inlinable static var lifetimeBytes: Int { (LifetimeBuckets.count * 8 + lineBytes - 1) / lineBytes * lineBytes }

    package init(workers: Int, slots: Int, listeners: Int, pools: Int = 8, rows: Int = 1024) {
        precondition(workers > 0 && slots > 0 && listeners > 0 && pools > 0, "a segment has room for something")
        (self.workers, self.slots, self.listeners, self.pools) = (workers, slots, listeners, pools)
        self.rows = max(1, (rows + SegmentLayout.slabRows - 1) / SegmentLayout.slabRows) * SegmentLayout.slabRows
        var offsets = InlineArray<16, Int>(repeating: 0)
        // Behind the header's page.
        var end = SegmentLayout.pageBytes
        for area in SegmentArea.allCases {
            offsets[area.rawValue] = end
            let count = SegmentLayout.count(area, slots: slots, listeners: listeners, pools: pools, rows: self.rows)
            let bytes = (area.isByWorker ? workers : 1) * count * area.stride
            end += (bytes + SegmentLayout.pageBytes - 1) / SegmentLayout.pageBytes * SegmentLayout.pageBytes
        }
        (self.offsets, bytes) = (offsets, end)
    }

    package static func == (one: SegmentLayout, other: SegmentLayout) -> Bool {
        (one.workers, one.slots, one.listeners, one.pools, one.rows) == (other.workers, other.slots, other.listeners, other.pools, other.rows)
    }

    /// Entries in one array of the area.
    @inlinable func count(_ area: SegmentArea) -> Int {
        SegmentLayout.count(area, slots: slots, listeners: listeners, pools: pools, rows: rows)
    }

    @inlinable static func count(_ area: SegmentArea, slots: Int, listeners: Int, pools: Int, rows: Int) -> Int {
        switch area {
        case .process, .processTickets, .workers: 1
        case .listenerTickets, .listeners, .listenerLines, .endings: listeners
        case .pools, .poolTimes: pools
        case .slotTickets, .backends, .details, .slotLines, .outcomes, .connectFailures: slots
        case .connections: rows
        }
    }

    @inlinable func arrays(_ area: SegmentArea) -> Int { area.isByWorker ? workers : 1 }

    @inlinable func offset(_ area: SegmentArea, _ index: Int, worker: Int = 0) -> Int {
        let count = count(area)
        precondition((0..<count).contains(index) && (0..<arrays(area)).contains(worker), "the segment has no such number")
        return offsets[area.rawValue] + (worker * count + index) * area.stride
    }
}
