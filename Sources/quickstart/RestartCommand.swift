// `quickstart restart` and `quickstart stop`: what an init system would do for a service, for one backend.
import ArgumentParser
import EventLoop
import Model

struct RestartCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restart",
        abstract: "Stops the backend where it runs and starts it anew, detached; does not wait until it listens.")

    @OptionGroup var backend: BackendOptions
    @OptionGroup var service: ServiceOptions

    func run() throws {
        let process = BackendProcess(files: backend.files)
        let (listen, boot) = (service.listen, service.boot)
        throw ExitCode(Loop.shared.run { await process.restart(listen: listen, boot: boot) })
    }
}

struct StopCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stop", abstract: "Stops the backend and waits until it has ended; one that does not run is no error.")

    @OptionGroup var backend: BackendOptions

    func run() throws {
        let process = BackendProcess(files: backend.files)
        throw ExitCode(Loop.shared.run { await process.stop() })
    }
}
