// The verbs that set an operator's wish: drain, undrain, maintain, ready.
import ControlProtocol
import EventLoop
import Model

extension CommandHandler {
    func drain(_ order: DrainOrder, by user: String, _ answer: Answer) async throws(Failure) {
        let started = LoopClock().now
        let backends = try find(order.backends)
        let asked = backends.map { (backend: $0, address: $0.configuration.address) }
        let maintained = Set(backends.filter { $0.wish == .maintenance }.map(\.reference.description))
        try await drains.drain(backends, order, by: user)
        var outages = order.renews ? [:] : outages(of: backends)
        for name in maintained {
            let ended = "its maintenance is ended by this drain: it is probed again, and undrain puts it into rotation"
            outages[name] = [ended, outages[name]].compactMap(\.self).joined(separator: "; ")
        }
        guard order.waits else {
            return try await answer.tell(backends.map { backend in
                var record = DrainRecord(backend, waited: .zero)
                record.warning = outages[record.backend]
                return record
            })
        }
        try await drains.waitUntilEmpty(asked, since: started) { record throws(Failure) in
            var record = record
            record.warning = outages.removeValue(forKey: record.backend)
            try await answer.tell(record)
        }
    }

    func makeReady(
        _ references: [BackendReference], _ owner: String?, force: Bool, by user: String, verb: String, _ answer: Answer
    ) async throws(Failure) {
        let backends = try find(references)
        let before = backends.map(\.wish)
        try await drains.makeReady(backends, owner: owner, force: force, by: user, verb: verb)
        try await tellWishes(backends, before, answer)
    }

    func maintain(
        _ references: [BackendReference], _ owner: String?, _ reason: String?, by user: String, _ answer: Answer
    ) async throws(Failure) {
        let backends = try find(references)
        let before = backends.map(\.wish)
        try await drains.maintain(backends, owner: owner, reason: reason, by: user)
        try await tellWishes(backends, before, answer)
    }

    private func tellWishes(_ backends: [Backend], _ before: [Wish], _ answer: Answer) async throws(Failure) {
        let outages = outages(of: backends)
        try await answer.tell(zip(backends, before).map { backend, before in
            WishRecord(
                backend: backend.reference.description, wish: backend.wish, wishBefore: before,
                availability: backend.availability, connections: backend.wish == .ready ? nil : backend.holders, warning: outages[backend.reference.description])
        })
    }

    /// By the last of a pool's `backends` that were taken out: that new connections have nowhere to go now.
    private func outages(of backends: [Backend]) -> [String: String] {
        var lastOfPool: [PoolName: Backend] = [:]
        for backend in backends where backend.wish != .ready { lastOfPool[backend.reference.pool] = backend }
        var outages: [String: String] = [:]
        for (name, backend) in lastOfPool {
            guard let pool = table.pool(name), pool.published == [] else { continue }
            outages[backend.reference.description] = "pool \(name) has no available backend now: new connections \(pool.configuration.whenNone.outcome)"
        }
        return outages
    }
}
