// The programs behind Config/quickstart: a backend that is restarted for real, and a load that notices everything.
import ArgumentParser
import Model

struct Quickstart: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "quickstart",
        abstract: "The backend and the load of Config/quickstart.", version: sluiceVersion,
        subcommands: [BackendCommand.self, RestartCommand.self, StopCommand.self, LoadCommand.self])
}

Quickstart.main()
