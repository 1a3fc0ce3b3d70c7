// The verb that tells what happened: events.
import ControlProtocol
import EventLoop
import Model

extension CommandHandler {
    func tellEvents(_ follow: Bool, _ answer: Answer) async throws(Failure) {
        var seen = (events.kept.first?.sequence ?? 1) - 1
        while true {
            let version = events.news.version
            guard let fresh = events.events(after: seen) else {
                throw Failure(.failed, "you read more slowly than things happen: events after \(seen) are gone; ask again")
            }
            seen = fresh.last?.sequence ?? seen
            try await answer.tell(fresh.map(EventRecord.init))
            guard follow else { return }
            guard await events.news.next(after: version) == .ready else { throw Failure(.failed, "interrupted") }
        }
    }
}
