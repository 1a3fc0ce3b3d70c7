// Everything that a balancer tells about its changes, from now on: waited for, and looked back at.
import ControlProtocol
import Foundation
import Model
import Synchronization
import Testing

final class EventFollower: Sendable {
    private let conversation: ControlConversation
    private let received = Mutex<[EventRecord]>([])

    init(_ balancer: Balancer, _ lab: Lab) throws {
        let conversation = try ControlConversation(balancer.control, patience: .seconds(600))
        self.conversation = conversation
        try conversation.send("events follow=yes output=json\n")
        _ = Background { try self.follow() }
        lab.atEnd { conversation.interrupt() }
    }

    var events: [EventRecord] { received.withLock { $0 } }

    /// The first event that is as wanted, waited for.
    @discardableResult
    func event(
        within limit: Duration = .seconds(10), _ what: String, at location: SourceLocation = #_sourceLocation,
        where isWanted: (EventRecord) -> Bool
    ) throws -> EventRecord {
        try eventually(within: limit, "the event '\(what)'", at: location) { events.first(where: isWanted) }
    }

    /// The first change of a backend's availability or probe to `state`, `earlier` ones left out.
    @discardableResult
    func change(
        _ kind: String, of backend: String, to state: String, after earlier: EventRecord? = nil,
        within limit: Duration = .seconds(10), at location: SourceLocation = #_sourceLocation
    ) throws -> EventRecord {
        try event(within: limit, "\(backend) \(kind) \(state)", at: location) {
            $0.sequence > (earlier?.sequence ?? 0) && $0.event == kind && $0.subject == backend && $0.to == state
        }
    }

    /// The most backends that were out of traffic at the same moment, after all of `backends` had been in.
    func mostOutAtOnce(of backends: [String]) -> Int {
        var out: Set<String> = []
        var most = 0
        for event in events where event.event == "availability" && backends.contains(event.subject) {
            if event.to == Availability.available.rawValue || event.to == Availability.warming.rawValue {
                out.remove(event.subject)
            } else {
                out.insert(event.subject)
            }
            most = max(most, out.count)
        }
        return most
    }

    private func follow() throws {
        while case .data(let text) = try conversation.line() {
            let event = try JSONDecoder().decode(EventRecord.self, from: Data(text.utf8))
            received.withLock { $0.append(event) }
        }
    }
}
