// The answer to one command while it is given: records, each as lines for people or as one JSON object.
import ControlProtocol
import EventLoop

@ControlPlane struct Answer {
    let output: Output
    /// Hands data lines to whoever asked, together; throws when nobody listens any more.
    let send: @ControlPlane ([String]) async throws(Failure) -> Void

    func tell(_ record: some Record) async throws(Failure) { try await tell([record]) }

    /// What is known at once is told at once: it leaves in one piece.
    func tell(_ records: [some Record]) async throws(Failure) {
        guard !records.isEmpty else { return }
        switch output {
        case .text: try await send(records.flatMap(\.lines))
        case .json: try await send(records.map { JSONText.line($0) })
        }
    }
}
