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
            == ["without web/web-1 nobody would serve pool web: it is the only backend of the pool"])
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
