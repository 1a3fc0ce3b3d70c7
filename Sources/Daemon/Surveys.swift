// Questions to the workers about their connections, as calls that wait for all answers.
import ControlProtocol
import EventLoop
import Model
import Proxy

@ControlPlane final class Surveys {
    private let plane: DataPlane
    /// Some errand is done; announced by whoever hears the workers.
    let news = Broadcast()

    /// For all parts of an answer. Workers that need longer are stopped, or have more to do than they can.
    private static let patience = Duration.seconds(10)

    init(plane: DataPlane) { self.plane = plane }

    func connections(pool: Int? = nil, slot: Int? = nil, ids: Set<ConnectionID>? = nil) async throws(Failure) -> [ConnectionSnapshot] {
        let survey = plane.survey(pool: pool, slot: slot, ids: ids)
        return try await answer { survey.connections }
    }

    func peers(of connections: [ConnectionSnapshot]) async throws(Failure) -> [ConnectionID: IPEndpoint] {
        guard !connections.isEmpty else { return [:] }
        let inquiry = plane.askPeers(of: connections)
        return try await answer { inquiry.peers }
    }

    /// Those that were closed.
    func close(_ connections: [ConnectionSnapshot], _ manner: ClosingManner) async throws(Failure) -> Set<ConnectionID> {
        guard !connections.isEmpty else { return [] }
        let order = plane.close(connections, manner)
        return try await answer { order.closed }
    }

    private func answer<Answer>(_ asked: () -> Answer?) async throws(Failure) -> Answer {
        let clock = LoopClock()
        let deadline = clock.now.advanced(by: Surveys.patience)
        while true {
            let seen = news.version
            if let answer = asked() { return answer }
            let rest = clock.now.duration(to: deadline)
            guard rest > .zero else {
                throw Failure(.failed, "the workers did not answer within \(Surveys.patience.spoken): they are stopped or overloaded")
            }
            guard await news.next(after: seen, timeout: rest) != .cancelled else { throw Failure(.failed, "interrupted") }
        }
    }
}
