// What is planned, and what is refused before anything is touched.
import Model
import Rollout
import Testing

@Suite struct PlanTests {
    private func obstacles(_ snapshot: PoolSnapshot) throws -> [String] { try plan(snapshot).obstacles.map(\.description) }

    @Test func oneStepABackendInTheirOrder() throws {
        let plan = try plan(healthyPool(3))
        #expect(plan.steps.map(\.backend.description) == ["web/web-1", "web/web-2", "web/web-3"])
        #expect(plan.steps[1].restart == .command(["restart", "web-2"]))
    }

    @Test func oneThatIsDownGoesFirst() throws {
        let plan = try plan(pool([backend(1), backend(2), backend(3, .down)]))
        #expect(plan.steps.map(\.backend.description) == ["web/web-3", "web/web-1", "web/web-2"])
    }

    @Test func maintenanceIsLeftOutAndDoesNotServe() throws {
        let plan = try plan(pool([backend(1), backend(2), backend(3, .maintenance, wish: .maintenance)]))
        #expect(plan.steps.count == 2)
        #expect(plan.leftOut == [reference("web-3")])
        #expect(plan.obstacles.isEmpty)
        #expect(try obstacles(pool([backend(1), backend(2, .maintenance, wish: .maintenance)])).count == 1)
    }

    @Test func refusesWithoutBackends() throws {
        #expect(try obstacles(pool([])) == ["pool web has no backends: there is nothing to restart"])
        #expect(try obstacles(pool([backend(1, .maintenance, wish: .maintenance)])).count == 1)
    }

    @Test func refusesTheOnlyBackend() throws {
        #expect(try obstacles(healthyPool(1))
            == ["without web/web-1 nobody would serve pool web: it is the only backend of the pool; by hand, with an outage: "
                + "lbctl drain web/web-1 --wait, then its restart, then lbctl probe web/web-1, then lbctl undrain web/web-1"])
    }

    @Test func refusesWhereOneIsTheLastThatServes() throws {
        #expect(try obstacles(pool([backend(1), backend(2, .down), backend(3, .unknown)]))
            == ["without web/web-1 nobody would serve pool web: web/web-2 is down, web/web-3 is unknown"])
    }

    /// features.md C26: drained by a human, undrained by a tool.
    @Test func refusesWhatAnotherHasDrained() throws {
        let plan = try plan(pool([backend(1), backend(2), backend(3, .drained, wish: .drain, owner: "alice")]))
        #expect(plan.obstacles.count == 1)
        #expect(plan.obstacles.last?.description.hasPrefix("web/web-3 is drained by 'alice'") == true)
        #expect(plan.obstacles.last?.owner == "alice")
    }

    private func chosen(_ pool: PoolSnapshot, _ change: (inout Selection) -> Void) throws -> Plan {
        var selection = Selection()
        change(&selection)
        return try Plan(pool: pool, choosing: selection, restart: .command(["restart"]))
    }

    /// Fault: after a rollout that was stopped only all of a pool could be restarted, those that were done once more.
    @Test func onlySomeAreRestartedAndTheOthersAreNamed() throws {
        let pool = pool([backend(1), backend(2), backend(3, .down), backend(4, .maintenance, wish: .maintenance)])
        let names = { (plan: Plan) in plan.steps.map(\.backend.backend.text) }
        let only = try chosen(pool) { $0.only = [BackendName(unchecked: "web-2")] }
        #expect(names(only) == ["web-2"] && only.notChosen == [reference("web-1"), reference("web-3")] && only.poolSize == 3)
        // As the pool has them, not as they are taken: what is down goes first.
        #expect(names(try chosen(pool) { $0.from = BackendName(unchecked: "web-2") }) == ["web-3", "web-2"])
        let skipped = try chosen(pool) { $0.skip = [BackendName(unchecked: "web-1")] }
        #expect(names(skipped) == ["web-3", "web-2"] && skipped.notChosen == [reference("web-1")] && skipped.leftOut == [reference("web-4")])
        let nobody = try chosen(pool) { $0.skip = ["web-1", "web-2", "web-3"].map(BackendName.init(unchecked:)) }
        #expect(nobody.obstacles.count == 1)
        var selection = Selection()
        selection.skip = [BackendName(unchecked: "web-9")]
        #expect(selection.stranger(in: pool) == BackendName(unchecked: "web-9"))
        let order = RolloutOrder(id: "7", owner: "me", balancers: [], plan: only, limits: limits)
        #expect(try JournalBegin(order, version: "1").order() == order, "the journal forgets who was not chosen")
    }

    @Test func aCommandThatDoesNotFitIsBadUsage() throws {
        let pool = pool([backend(1), BackendSnapshot(
            name: BackendName(unchecked: "web-2"), address: .unix(path: "/run/web"), wish: .ready, availability: .available, drainOwner: nil)])
        #expect(throws: TemplateError.self) { try Plan(pool: pool, restart: .command(["x", "{port}"])) }
    }

    @Test func quotesForAShell() {
        #expect("a-b/c:1".shellQuoted == "a-b/c:1")
        #expect("it's {x}".shellQuoted == "'it'\\''s {x}'")
        #expect("".shellQuoted == "''")
    }
}
