// The programs behind Config/quickstart: a backend that is restarted for real, and a load that notices everything.
import ArgumentParser

struct Quickstart: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "quickstart",
        abstract: "The backend and the load of Config/quickstart.",
        subcommands: [BackendCommand.self, RestartCommand.self, StopCommand.self, LoadCommand.self])
}

Quickstart.main()
