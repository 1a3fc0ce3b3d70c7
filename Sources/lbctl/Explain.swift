// lbctl explain: why a backend is in or out, who holds it, and when it will be empty.
import ArgumentParser
import ControlProtocol
import EventLoop
import Model

struct ExplainCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "explain", abstract: "Tells why a backend is in or out, who holds it, and when it will be empty.",
        discussion: """
            Of a backend that is not drained: when it would be empty if it were drained now. The time is judged by how long \
            the pool's connections have lived so far; 'never at this rate' names those that are older than any that has ended.
            """)

    @OptionGroup var global: GlobalOptions

    @Argument(help: ArgumentHelp("The backend.", valueName: "pool/backend"), transform: Word.backend)
    var backend: BackendReference

    func perform(_ console: Console) async -> ExitStatus {
        await Fleet(global, console).reportLines(.explain(backend), as: ExplainReport.self, lines: \.lines)
    }
}
