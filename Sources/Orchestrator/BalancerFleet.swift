// The balancers in front of one pool, as one: an order counts when all of them have obeyed.
import ControlClient
import ControlProtocol
import EventLoop
import Model
import Rollout

@ControlPlane struct BalancerFleet: Sendable {
    let balancers: [Balancer]

    /// Carries an order that may be given twice out at each of them at once; the worst of their answers.
    func perform<Record: Decodable & Sendable>(
        _ command: Command, taking extra: Duration = .zero, decoding type: Record.Type,
        record: @escaping @ControlPlane @Sendable (Int, Record) -> Void = { _, _ in }
    ) async throws(Failure) {
        let failures = await each { index -> Failure? in
            do throws(Failure) {
                try await PatientBalancer(balancer: balancers[index]).perform(command, taking: extra, decoding: type) { record(index, $0) }
                return nil
            } catch { return named(error, index) }
        }
        // Who refuses says that it is somebody else's: that outweighs one who says nothing.
        if let worst = failures.compactMap({ $0 }).max(by: { BalancerFleet.weight($0.code) < BalancerFleet.weight($1.code) }) { throw worst }
    }

    private static func weight(_ code: ExitCode) -> Int {
        switch code {
        case .refused: 2
        case .done, .deadlinePassed: 0
        case .failed, .noAnswer, .badUsage: 1
        }
    }

    /// Where there are several a message must say which.
    func named(_ failure: Failure, _ index: Int) -> Failure {
        let control = balancers[index].control
        guard balancers.count > 1, !failure.message.contains(control) else { return failure }
        return Failure(failure.code, "\(control): \(failure.message)")
    }

    /// What each gives, in their order. Cancelling the task cancels all.
    func each<Result: Sendable>(_ work: @escaping @ControlPlane @Sendable (Int) async -> Result) async -> [Result] {
        let tasks = balancers.indices.map { index in start { await work(index) } }
        var results: [Result] = []
        for task in tasks {
            results.append(await withTaskCancellationHandler {
                await task.value
            } onCancel: {
                for task in tasks { task.cancel() }
            })
        }
        return results
    }

    /// One after the other as they come, until one is not what is waited for; the rest is cancelled then. Nil: all were.
    func first<Result: Sendable>(
        except awaited: @escaping @Sendable (Result) -> Bool, of work: @escaping @ControlPlane @Sendable (Int) async -> Result
    ) async -> Result? {
        let results = Inbox<Result>()
        let tasks = balancers.indices.map { index in start { results.put(await work(index)) } }
        defer { for task in tasks { task.cancel() } }
        return await withTaskCancellationHandler {
            for _ in tasks {
                let result = await results.next()
                if !awaited(result) { return result }
            }
            return nil
        } onCancel: {
            for task in tasks { task.cancel() }
        }
    }

    /// The pool as each reports it.
    func reports(of pool: PoolName) async throws(Failure) -> [PoolReport] {
        let latest = Collected<StatusReport>()
        try await perform(.status(.pool(pool)), decoding: StatusReport.self) { latest.values[$0] = $1 }
        var reports: [PoolReport] = []
        for index in balancers.indices {
            guard let report = latest.values[index]?.pools.first(where: { $0.name == pool.text }) else {
                throw Failure(.failed, "\(balancers[index].control): the balancer reports no pool \(pool)")
            }
            reports.append(report)
        }
        return reports
    }
}

/// The last value that each balancer's answer brought, also where the answer then failed.
@ControlPlane final class Collected<Value> {
    var values: [Int: Value] = [:]
}
