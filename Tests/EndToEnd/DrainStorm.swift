// Those who are closed at a drain's deadline come back at once, to the others. Complaint 10: all at the same moment, a
// storm that the others do not survive.
import ControlProtocol
import Foundation
import Model
import SystemCalls
import Testing

@Suite(.lab(.heavy)) struct DrainStorm {
    let lab = Lab.current
    private let survivor: CrowdServer
    private let leaving: CrowdServer

    init() throws {
        _ = try Limits.raiseDescriptors()
        leaving = try CrowdServer(Lab.current, named: "web-1", .holds)
        survivor = try CrowdServer(Lab.current, named: "web-2", .holds)
    }

    @Test("complaint 10: as many come back a second as close-rate says")
    func setRate() throws {
        let count = Scale.of(600, full: 9000), rate = Scale.of(200, full: 400)
        let balancer = try balancer(["drain: { at-deadline: close, close-rate: \(rate) }"])
        let crowd = try crowd(of: count, on: balancer)
        #expect(try balancer.command("drain web/web-1 wait=yes deadline=1200ms", within: .seconds(120)).code == .done)
        try expect(crowd, of: count, on: balancer, within: rate)
    }

    @Test("complaint 10: without a close-rate no second is busier for the others than their own busiest one was")
    func measuredRate() throws {
        let count = Scale.of(200, full: 9000), busy = Scale.of(200, full: 600)
        let balancer = try balancer(["drain: { at-deadline: close }"])
        let crowd = try crowd(of: count, on: balancer)
        let visitors = Visitors(lab, to: try balancer.endpoint(), perSecond: busy)
        #expect(try balancer.command("drain web/web-1 deadline=2500ms").code == .done)
        try balancer.tells("the drain's deadline has passed")
        // Later there is room for those who come back.
        visitors.come(perSecond: busy / 4)
        try balancer.backend("web-1", within: .seconds(180)) { $0.availability == .drained }
        let report = try visitors.stop()
        #expect(report.failed == 0 && report.visits.count > busy, "\(report.failed) of \(report.visits.count) visitors were turned away")
        let told = try balancer.command("events").data.compactMap { $0.firstMatch(of: /at most ([0-9]+) a second/).flatMap { Int($0.1) } }
        let budget = try #require(told.first)
        #expect(budget <= busy * 11 / 10, "a budget of \(budget) a second out of \(busy) visitors a second")
        try expect(crowd, of: count, on: balancer, within: budget)
    }

    private func balancer(_ settings: [String]) throws -> Balancer {
        try Balancer(lab, ConfigurationText(backends: [("web-1", "\"\(leaving.endpoint)\""), ("web-2", "\"\(survivor.endpoint)\"")], settings))
    }

    /// All of them on web-1; the next will come to web-2 too.
    private func crowd(of count: Int, on balancer: Balancer) throws -> Crowd {
        #expect(try balancer.command("drain web/web-2").code == .done)
        let crowd = try Crowd(lab, of: count, to: balancer.endpoint())
        try balancer.backend("web-1", within: .seconds(60)) { $0.connections == count }
        #expect(try balancer.command("undrain web/web-2").code == .done)
        return crowd
    }

    private func expect(_ crowd: Crowd, of count: Int, on balancer: Balancer, within budget: Int) throws {
        try balancer.backend("web-2", within: .seconds(20)) { $0.connections == count }
        let fate = crowd.fate
        #expect(fate.cut == count && fate.failures.isEmpty, "\(fate) instead of \(count) that were ended once each")
        let busiest = survivor.arrivals.mostInASecond
        // What this machine kept those waiting who count comes at once afterwards.
        let late = fate.lateness.most + survivor.lateness
        let most = Double(budget) * (1.2 + late / .seconds(1))
        let figures = "\(busiest) connects in the busiest second, \(budget) is the budget; the test was late by \(late)"
        Attachment.record(figures, named: "drain-storm.txt")
        #expect(Double(busiest) <= most, "\(figures)")
    }
}
