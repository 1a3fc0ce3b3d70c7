// The commands about single connections: shown, closed, explained.
import ControlProtocol
import EventLoop
import Model
import Proxy

extension CommandHandler {
    func showConnections(_ order: ConnectionsOrder, _ answer: Answer) async throws(Failure) {
        let place = try place(of: order.scope)
        let all = try await surveys.connections(pool: place.pool, slot: place.slot)
        let shown = all.first(order.limit, by: order.sort)
        let peers = try await surveys.peers(of: shown)
        try await answer.tell(shown, of: all.count) { explanations.report($0, peer: peers[$0.id]) }
    }

    private func place(of scope: ConnectionScope) throws(Failure) -> (pool: Int?, slot: Int?) {
        switch scope {
        case .everything: return (nil, nil)
        case .pool(let name): return (try find(name).index, nil)
        case .backend(let reference): return (nil, try find([reference])[0].slot)
        }
    }

    func closeConnections(
        _ ids: [ConnectionID], reset: Bool, by user: String, _ answer: Answer
    ) async throws(Failure) {
        let found = try await surveys.connections(ids: Set(ids))
        // While they are there.
        let peers = try await surveys.peers(of: found)
        let closed = try await surveys.close(found, reset ? .reset : .end)
        let names = found.filter { closed.contains($0.id) }.map { connection in
            "\(connection.id)" + (peers[connection.id].map { " from \($0)" } ?? "") + (connection.slot.flatMap(table.entry).map { " at \($0.backend.name)" } ?? "")
        }
        if !names.isEmpty { events.record(.connectionsClosed(names, reset: reset, by: user)) }
        try await answer.tell(ids.map { CloseRecord(id: $0, closed: closed.contains($0), reset: reset) })
        guard closed.count < ids.count else { return }
        throw Failure(.failed, "\(ids.count - closed.count) of \(counted(ids.count, "id")) not closed: there is no such connection now")
    }

    func explain(_ reference: BackendReference, _ answer: Answer) async throws(Failure) {
        try await answer.tell(try await explanations.explain(try find([reference])[0]))
    }
}

/// Of a hundred thousand connections the answer takes longer to write than anything else on the control plane may.
extension Answer {
    /// About a millisecond.
    private static let connectionsInPart = 200

    fileprivate func tell(
        _ shown: [ConnectionSnapshot], of total: Int, report: @ControlPlane (ConnectionSnapshot) -> ConnectionReport
    ) async throws(Failure) {
        let (head, tail) = JSONText.around(array: "connections", of: ConnectionsReport(total: total, connections: []))
        try await write {
            switch output {
            case .text: lines([ConnectionsReport.head(shown.count, of: total)], &$0)
            case .json: $0 += head
            }
        }
        for start in stride(from: 0, to: shown.count, by: Answer.connectionsInPart) {
            try await write {
                let part = shown[start..<min(start + Answer.connectionsInPart, shown.count)].map(report)
                append(part, isFirst: start == 0, to: &$0)
            }
        }
        guard output == .json else { return }
        try await write { $0 += tail + [0x0A] }
    }

    private func append(_ part: [ConnectionReport], isFirst: Bool, to bytes: inout [UInt8]) {
        switch output {
        case .text: lines(ConnectionsReport.table(part, isFirst: isFirst), &bytes)
        case .json:
            for (index, connection) in part.enumerated() {
                if !isFirst || index > 0 { bytes.append(UInt8(ascii: ",")) }
                JSONText.append(connection, to: &bytes)
            }
        }
    }
}

extension [ConnectionSnapshot] {
    /// Those with most, in order. Few of many: they are picked out before they are sorted.
    func first(_ limit: Int, by order: ConnectionOrder) -> [ConnectionSnapshot] {
        var keyed = enumerated().map { (key: $1.key(order), index: $0) }
        if keyed.count > 4 * limit {
            let bound = keyed.map(\.key).bound(ofLargest: limit)
            keyed = keyed.filter { $0.key >= bound }
        }
        return keyed.sorted { ($0.key, $1.index) > ($1.key, $0.index) }.prefix(limit).map { self[$0.index] }
    }
}

extension ConnectionSnapshot {
    fileprivate func key(_ order: ConnectionOrder) -> Int64 {
        switch order {
        case .age: age.wholeNanoseconds
        case .idle: idle.wholeNanoseconds
        case .bytes: Int64(clamping: bytesToBackend &+ bytesToClient)
        }
    }
}

extension [Int64] {
    /// At least `count` are as large; by halving the range of values.
    fileprivate func bound(ofLargest count: Int) -> Int64 {
        var (low, high) = (self.min() ?? 0, self.max() ?? 0)
        while low < high {
            let middle = low + (high - low) / 2 + 1
            if self.count(where: { $0 >= middle }) >= count { low = middle } else { high = middle - 1 }
        }
        return low
    }
}
