// Orders to one balancer that outlast its restart: bounded in time each, repeated while nobody answers.
import ControlClient
import ControlProtocol
import EventLoop
import Model

struct PatientBalancer {
    /// For the answer to an order that takes no time, and for how long one is repeated.
    static let answer = Duration.seconds(10)
    /// For connections that are closed at a pace.
    static let closing = Duration.seconds(3600)
    private static let patience = Duration.seconds(10)
    private static let pauseBetween = Duration.milliseconds(500)

    let balancer: Balancer

    /// Carries an order out, which must be one that may be given twice. `extra`: how long it may take by itself.
    @ControlPlane func perform<Record: Decodable & Sendable>(
        _ command: Command, taking extra: Duration = .zero, decoding type: Record.Type,
        record: @escaping @ControlPlane @Sendable (Record) -> Void = { _ in }
    ) async throws(Failure) {
        let clock = LoopClock()
        let end = clock.now.advanced(by: PatientBalancer.patience)
        while true {
            do throws(Failure) {
                return try await balancer.perform(
                    command, decoding: type, within: extra + PatientBalancer.answer, record: record)
            } catch {
                guard error.code == .noAnswer, clock.now < end, await pause(for: PatientBalancer.pauseBetween) else { throw error }
            }
        }
    }
}

extension Balancer {
    /// As `perform`, but a balancer that takes longer than `limit` counts as one that does not answer.
    @ControlPlane func perform<Record: Decodable & Sendable>(
        _ command: Command, decoding type: Record.Type, within limit: Duration,
        record: @escaping @ControlPlane @Sendable (Record) -> Void
    ) async throws(Failure) {
        do {
            try await withDeadline(limit) { try await self.perform(command, decoding: type, record: record) }
        } catch let failure as Failure {
            throw failure
        } catch is DeadlinePassed {
            throw Failure(.noAnswer, "\(control): the balancer took the command but did not answer within \(limit.spoken)")
        } catch {
            throw Failure(.failed, "\(control): \(error)")
        }
    }
}
