// The promises by themselves: journals of a machine that breaks them, which only the count without a machine can notice.
import Model
import Testing

@testable import Rollout

@Suite struct PromiseTests {
    private let order: RolloutOrder

    init() throws { order = try smallest().order.single }

    private func breaches(_ events: [(isInput: Bool, event: JournalEvent)]) -> [String] {
        var promises = JournalPromises(order)
        return events.flatMap { $0.isInput ? promises.take(input: $0.event) : promises.take(action: $0.event) }
    }

    private func action(_ name: String, _ backend: String) -> (isInput: Bool, event: JournalEvent) {
        var event = JournalEvent(name: name)
        event.backend = backend
        event.direction = name == "restart" ? "forward" : nil
        return (false, event)
    }

    private func answer(_ name: String, _ backend: String, _ result: String) -> (isInput: Bool, event: JournalEvent) {
        var event = JournalEvent(name: name)
        event.backend = backend
        event.result = result
        return (true, event)
    }

    private func drained(_ backend: String) -> [(isInput: Bool, event: JournalEvent)] {
        [action("drain", backend), answer("drain", backend, "drained"), action("confirm", backend), answer("confirm", backend, "drained")]
    }

    private func restarted(_ backend: String) -> [(isInput: Bool, event: JournalEvent)] {
        drained(backend) + [action("restart", backend), answer("restart", backend, "restarted")]
    }

    @Test func aStepThatKeepsThem() {
        #expect(breaches(restarted("web/web-1") + [
            action("probe", "web/web-1"), answer("probe", "web/web-1", "up"), action("undrain", "web/web-1"), answer("undrain", "web/web-1", "done"),
        ]) == [])
    }

    @Test func twoOutAtOnce() {
        #expect(breaches([action("drain", "web/web-1"), action("drain", "web/web-2")]) == ["2 are out at once, and 1 may be"])
    }

    @Test func aRestartBeforeItIsEmpty() {
        let found = ["web/web-1 is restarted, and nothing says that it was empty and ours"]
        #expect(breaches([action("drain", "web/web-1"), action("restart", "web/web-1")]) == found)
        // What was empty before a kill need not be so after it.
        #expect(breaches(drained("web/web-1") + [(true, JournalEvent(name: "resumed")), action("restart", "web/web-1")]) == found)
    }

    /// Fault: a journal whose own looks tell of connections was 'proved', as only the word 'drained' counted.
    @Test func aLookThatSawOtherwise() throws {
        func looked(_ connections: Int, _ wish: Wish, _ owner: String?) throws -> [(isInput: Bool, event: JournalEvent)] {
            let seen = BackendSnapshot(
                name: try BackendName("web-1"), address: try Endpoint("127.0.0.1:9001"), wish: wish, availability: .drained, drainOwner: owner,
                connections: connections)
            let pool = PoolSnapshot(name: try PoolName("web"), backends: [seen])
            let backend = try BackendReference("web/web-1")
            var question = action("look", "web/web-1")
            question.event.look = "whenEmpty"
            return [question, (true, JournalEvent(.looked(.whenEmpty(backend), .pool(pool, capacity: .carries(text: "")))))]
        }
        let restart = action("restart", "web/web-1"), drained = drained("web/web-1")
        #expect(breaches(drained + (try looked(0, .drain, order.owner)) + [restart]) == [])
        #expect(breaches(drained + (try looked(7, .drain, order.owner)) + [restart]) == ["web/web-1 is restarted, and when it was looked at it had 7 connections"])
        for (wish, owner) in [(Wish.ready, nil), (.drain, "alice")] {
            #expect(breaches(drained + (try looked(0, wish, owner)) + [restart])
                == ["web/web-1 is restarted, and when it was looked at it was not drained by this rollout"])
        }
    }

    @Test func aSecondRestart() {
        let again = restarted("web/web-1") + [action("probe", "web/web-1"), answer("probe", "web/web-1", "up"), action("undrain", "web/web-1"), answer("undrain", "web/web-1", "done")]
        #expect(breaches(again + restarted("web/web-1")) == ["web/web-1 is restarted a second time"])
    }

    @Test func aRestartThatCouldNotBeginIsNone() {
        let notBegun = drained("web/web-1") + [action("restart", "web/web-1"), answer("restart", "web/web-1", "notBegun"), action("undrain", "web/web-1")]
        #expect(breaches(notBegun) == [])
        #expect(breaches(notBegun + [answer("undrain", "web/web-1", "done")] + restarted("web/web-1")) == [], "it was never restarted before")
    }

    @Test func anUndrainWithoutAProbe() {
        #expect(breaches(restarted("web/web-1") + [action("undrain", "web/web-1")])
            == ["web/web-1 is undrained after its restart, and no probe has said up"])
    }

    private func contradictions(_ promises: inout JournalPromises, _ count: Int) -> [String] {
        promises.contradictions(seen: JournalSight(backend: "web/web-1", connections: count))
    }

    /// Fault: a journal that itself tells of connections after the drain was proved.
    @Test func connectionsAfterTheDrainAreTold() {
        var promises = JournalPromises(order)
        let told = ["web/web-1 had 3 connections after it was drained"]
        func take(_ events: [(isInput: Bool, event: JournalEvent)]) {
            for event in events { _ = event.isInput ? promises.take(input: event.event) : promises.take(action: event.event) }
        }
        take([action("drain", "web/web-1")])
        let whileDraining = contradictions(&promises, 3)
        take(drained("web/web-1"))
        let whenDrained = contradictions(&promises, 3), none = contradictions(&promises, 0)
        take([action("restart", "web/web-1"), answer("restart", "web/web-1", "restarted")])
        let afterRestart = contradictions(&promises, 3)
        take([action("probe", "web/web-1"), answer("probe", "web/web-1", "up"), action("undrain", "web/web-1")])
        let onItsWayBack = contradictions(&promises, 3)
        #expect(whileDraining == [] && whenDrained == told && none == [] && afterRestart == told && onItsWayBack == [])
    }

    @Test func anAnswerWithoutAQuestion() {
        #expect(breaches([answer("drain", "web/web-1", "drained")]) == ["an answer to 'drain' web/web-1, which was not asked"])
    }
}

extension RolloutOrder {
    /// One at a time.
    fileprivate var single: RolloutOrder {
        var order = self
        order.policy = Policy()
        return order
    }
}
