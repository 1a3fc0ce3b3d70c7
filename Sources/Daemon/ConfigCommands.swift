// The verbs about the configuration: config check.
import ControlProtocol
import EventLoop
import Model

extension CommandHandler {
    func tellConfigurationErrors(_ answer: Answer) async throws(Failure) {
        let record = ConfigCheckRecord(errors: checkConfiguration())
        try await answer.tell(record)
        guard record.errors.isEmpty else {
            throw Failure(.failed, "\(counted(record.errors.count, "error")) in the file; what runs is unchanged")
        }
    }
}
