// A queue, first come first served, that anybody may leave from any place at once: a list in rows that are used again.
//
// Everyone in it has a place: the row, and a number that no other stay in that row has had lately. Who has been
// served or has left is not there any more, and leaving twice does nothing.

package struct WaitingPlace: Equatable, Sendable {
    package let row: Int32
    package let number: UInt32

    package init(row: Int32, number: UInt32) { (self.row, self.number) = (row, number) }

    /// Of who has never waited.
    package static var none: WaitingPlace { WaitingPlace(row: -1, number: 0) }
}

package struct WaitingLine<Waiter> {
    private struct Row {
        var waiter: Waiter?
        var number: UInt32 = 0
        var next = none
        var previous = none
    }

    private static var none: Int32 { -1 }
    private var rows: [Row] = []
    private var first = none
    private var last = none
    private var free = none
    private var number: UInt32 = 0
    package private(set) var count = 0

    package init() {}

    package var isEmpty: Bool { count == 0 }

    /// Behind all others.
    package mutating func join(_ waiter: Waiter) -> WaitingPlace {
        let row = take(waiter)
        rows[Int(row)].previous = last
        if last == WaitingLine.none { first = row } else { rows[Int(last)].next = row }
        last = row
        return WaitingPlace(row: row, number: number)
    }

    /// Before all others: for one that was served in vain.
    package mutating func joinAtHead(_ waiter: Waiter) -> WaitingPlace {
        let row = take(waiter)
        rows[Int(row)].next = first
        if first == WaitingLine.none { last = row } else { rows[Int(first)].previous = row }
        first = row
        return WaitingPlace(row: row, number: number)
    }

    /// Who has waited longest, no longer waiting: of those whom `isServed` lets, if there is one among the first
    /// `looksMax`, else of all.
    package mutating func serve(looksMax: Int = 0, where isServed: (Waiter) -> Bool = { _ in true }) -> (waiter: Waiter, place: WaitingPlace)? {
        var row = first
        for _ in 0..<looksMax where row != WaitingLine.none {
            if let waiter = rows[Int(row)].waiter, isServed(waiter) { return serve(row: row) }
            row = rows[Int(row)].next
        }
        return serve(row: first)
    }

    private mutating func serve(row: Int32) -> (waiter: Waiter, place: WaitingPlace)? {
        guard row != WaitingLine.none, let waiter = rows[Int(row)].waiter else { return nil }
        let place = WaitingPlace(row: row, number: rows[Int(row)].number)
        remove(row)
        return (waiter, place)
    }

    /// False: not there any more.
    @discardableResult
    package mutating func leave(_ place: WaitingPlace) -> Bool {
        guard rows.indices.contains(Int(place.row)), rows[Int(place.row)].waiter != nil, rows[Int(place.row)].number == place.number
        else { return false }
        remove(place.row)
        return true
    }

    /// The first `countMax` that `isMeant` means leave; in the order in which they came.
    package mutating func remove(countMax: Int, where isMeant: (Waiter) -> Bool) -> [Waiter] {
        var removed: [Waiter] = []
        var row = first
        while row != WaitingLine.none, removed.count < countMax {
            let next = rows[Int(row)].next
            if let waiter = rows[Int(row)].waiter, isMeant(waiter) {
                removed.append(waiter)
                remove(row)
            }
            row = next
        }
        return removed
    }

    private mutating func take(_ waiter: Waiter) -> Int32 {
        number &+= 1
        count += 1
        let row = free
        guard row != WaitingLine.none else {
            rows.append(Row(waiter: waiter, number: number))
            return Int32(rows.count - 1)
        }
        free = rows[Int(row)].next
        rows[Int(row)] = Row(waiter: waiter, number: number)
        return row
    }

    private mutating func remove(_ row: Int32) {
        let (next, previous) = (rows[Int(row)].next, rows[Int(row)].previous)
        if previous == WaitingLine.none { first = next } else { rows[Int(previous)].next = next }
        if next == WaitingLine.none { last = previous } else { rows[Int(next)].previous = previous }
        rows[Int(row)] = Row(waiter: nil, number: 0, next: free)
        free = row
        count -= 1
    }
}
