// `quickstart backend`: arguments in, a backend that runs until SIGTERM out.
import ArgumentParser
import EventLoop
import Model

/// What names a backend, for every verb that is about one.
struct BackendOptions: ParsableArguments {
    @Option(help: "The backend's name.", transform: Argument.backendName)
    var name: BackendName

    @Option(help: "Folder of the backend's files: lock, generation, port, log.")
    var state: String

    var files: BackendFiles { BackendFiles(folder: state, name: name) }
}

/// How a backend serves, for every verb that starts one.
struct ServiceOptions: ParsableArguments {
    @Option(help: "ADDRESS:PORT; port 0 takes the one of the last run, else a free one.", transform: Argument.endpoint)
    var listen: Endpoint

    @Option(help: "How long the backend boots before it listens.", transform: Argument.duration)
    var boot: Duration = .zero
}

struct BackendCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backend", abstract: "A small TCP server that answers with its name and generation.")

    @OptionGroup var backend: BackendOptions
    @OptionGroup var service: ServiceOptions

    @Option(help: .hidden, transform: Argument.endpoint)
    var announce: Endpoint?

    func run() throws {
        let settings = BackendSettings(
            files: backend.files, listen: service.listen, boot: service.boot, announcement: announce)
        throw ExitCode(Loop.shared.run { await Backend(settings).run() })
    }
}
