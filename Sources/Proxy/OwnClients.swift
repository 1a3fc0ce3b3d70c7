// Clients of lbd's own listener, the admin port's: each is held back until the whole head of its request has come, and
// where the listener's places run out, who holds one for nothing makes room for who comes.
//
// So those who connect and say nothing, or a byte now and then, cost one descriptor and a place that they keep only as
// long as nobody else wants it; the HTTP server behind never hears of them.
import Statistics
import SystemCalls

/// One worker's, in order of their accept.
struct OwnClients {
    private var names: [ConnectionName] = []
    /// So many names are not looked through for those that have ended.
    private var countMax = 64

    mutating func add(_ connection: ConnectionHandle) {
        if names.count >= countMax {
            names.removeAll { $0.live == nil }
            countMax = max(64, 2 * names.count)
        }
        names.append(ConnectionName(connection))
    }

    /// Of those who have not asked yet who has been silent for longest; else who has had its answer and does not leave.
    /// Nil: everybody is being answered.
    mutating func mostIdle() -> ConnectionHandle? {
        names.removeAll { $0.live == nil }
        let live = names.compactMap(\.live)
        let silent = live.filter { $0.record.phase == .awaitingRequest }.min { $0.record.lastActivity < $1.record.lastActivity }
        return silent ?? live.first { $0.record.phase == .relaying && $0.record.toClient.isEnded }
    }
}

extension ConnectionHandle {
    /// More is no head of a request that anybody would answer: the server says so.
    private static let headMax = 8 * 1024

    func awaitRequest() {
        record.phase = .awaitingRequest
        record.lastActivity = worker.now()
        worker.state.ownClients.add(self)
        readRequest(endInSight: false)
        guard case .awaitingRequest = record.phase else { return }
        guard watch(.client) else { return close(.outOfResources) }
        worker.fileDeadline(of: self)
    }

    /// There is more of it, or the end.
    func readRequest(endInSight: Bool) {
        let count = readFurther(endInSight: endInSight)
        record.lastActivity = worker.now()
        switch record.toBackend.sourceEnd {
        case .reset: return close(.passedReset(by: .client))
        case .finished where count == 0: return close(.finished(first: .client, last: .client))
        case .finished: break
        case .open:
            let isWhole = worker.state.readBuffer.withBytes(count, ConnectionHandle.holdsBlankLine)
            guard isWhole || count > ConnectionHandle.headMax else { return keepFirst(count) }
        }
        // While a connect is under way the client goes unwatched; what it sends is an edge when it is watched again.
        unwatch(.client)
        record.phase = .connecting
        reachBackend(firstBytes(of: count))
    }

    private static func holdsBlankLine(_ bytes: Span<UInt8>) -> Bool {
        var isBlank = false
        for index in bytes.indices {
            switch bytes[index] {
            case UInt8(ascii: "\n") where isBlank: return true
            case UInt8(ascii: "\n"): isBlank = true
            case UInt8(ascii: "\r"): continue
            default: isBlank = false
            }
        }
        return false
    }
}

extension WorkerHandle {
    /// Whether somebody has given a place back.
    func makeRoom(for missing: ConnectionLimit) -> Bool {
        guard let own = state.ownListener, missing == .listener(own), let idle = state.ownClients.mostIdle() else { return false }
        idle.close(.lifetime)
        return true
    }

    /// Those who could leave may be with other workers.
    func askForRoom(_ missing: ConnectionLimit) {
        guard let own = state.ownListener, missing == .listener(own) else { return }
        for (index, peer) in state.peers.enumerated() where index != state.index { peer.post(.makeRoom) }
    }

    /// Another worker has asked, and waits in line.
    func makeRoomForOthers() {
        guard let own = state.ownListener, state.segment.tickets(of: .listener(own)).isAwaited else { return }
        _ = makeRoom(for: .listener(own))
    }
}
