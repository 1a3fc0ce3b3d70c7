// Every backend asked for its release before a rollout begins: a question that fails is found while nothing is drained yet.
import EventLoop
import Model
import Rollout

@ControlPlane package enum ReleaseQuestions {
    /// They may be programs on other hosts.
    private static let atOnce = 8

    /// Those that are not asked for it are absent.
    package static func ask(_ steps: [Plan.Step]) async -> [BackendReference: RolloutMachine.VersionEnd] {
        var ends: [BackendReference: RolloutMachine.VersionEnd] = [:]
        for some in steps.chunks(of: atOnce) {
            let tasks = some.compactMap { step in step.version.map { command in (step.backend, start { await VersionCommand.ask(command) }) } }
            for (backend, task) in tasks { ends[backend] = await task.value }
        }
        return ends
    }
}
