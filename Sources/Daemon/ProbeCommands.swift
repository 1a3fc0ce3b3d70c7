// The verb that asks the backends themselves: probe.
import ControlProtocol
import EventLoop
import Model

extension CommandHandler {
    /// All at once; answered in the order of the command.
    func probe(_ references: [BackendReference], _ timeout: Duration?, _ answer: Answer) async throws(Failure) {
        let backends = try find(references)
        let tasks = backends.map { backend in
            start { await backend.prober.confirm(timeout: timeout ?? .seconds(10)) }
        }
        defer { for task in tasks { task.cancel() } }
        var unconfirmed: [String] = []
        for (backend, task) in zip(backends, tasks) {
            let history = await withTaskCancellationHandler {
                await task.value
            } onCancel: {
                for task in tasks { task.cancel() }
            }
            guard let history else { throw Failure(.failed, "interrupted") }
            if history.finding != .up { unconfirmed.append(backend.reference.description) }
            try await answer.tell(ProbeRecord(
                backend: backend.reference.description, probe: history.finding, probeSequence: history.sequence,
                failure: history.failure))
        }
        guard unconfirmed.isEmpty else {
            throw Failure(.deadlinePassed, "not up within \((timeout ?? .seconds(10)).spoken): \(unconfirmed.joined(separator: ", "))")
        }
    }
}
