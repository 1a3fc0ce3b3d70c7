// The verb that shows: status.
import ControlProtocol
import EventLoop
import Model

extension CommandHandler {
    func showStatus(_ scope: StatusScope, _ answer: Answer) async throws(Failure) {
        switch scope {
        case .everything: break
        case .pool(let name): _ = try find(name)
        case .backend(let reference): _ = try find([reference])
        }
        try await answer.tell(status.report(scope, stopping: isStopping))
    }
}
