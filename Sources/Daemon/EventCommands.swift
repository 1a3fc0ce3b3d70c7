// The verb that tells what happened: events.
import ControlProtocol
import EventLoop
import Model

extension CommandHandler {
    /// So many at a time: who reads slowly holds no more of them than these.
    private static let countAtOnce = 64

    /// `since` nil: from the first that is kept.
    func tellEvents(_ follow: Bool, since: UInt64?, _ answer: Answer) async throws(Failure) {
        var seen = since ?? (events.kept.first?.sequence ?? 1) - 1
        guard seen <= events.sequence else {
            throw Failure(.failed, "there is no event \(seen) yet: \(events.sequence) is the last of this run of lbd; ask without since=")
        }
        while true {
            let version = events.news.version
            guard let fresh = events.events(after: seen, countMax: CommandHandler.countAtOnce) else { throw gone(after: seen) }
            if let last = fresh.last {
                seen = last.sequence
                try await answer.add(fresh.map { EventRecord($0, level: $0.change.logLevel.rawValue) })
            } else {
                try await answer.flush()
                guard follow else { return }
                guard await events.news.next(after: version) == .ready else { throw Failure(.failed, "interrupted") }
            }
        }
    }

    private func gone(after seen: UInt64) -> Failure {
        Failure(
            .failed, "the events after \(seen) are gone, the oldest kept is \(events.kept.first?.sequence ?? 0): you read more slowly than "
                + "things happen; take a status and go on from its eventSequence")
    }
}
