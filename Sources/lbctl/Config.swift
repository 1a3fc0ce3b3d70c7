// lbctl config: the configuration file against what is right.
import ArgumentParser
import Configuration
import ControlProtocol
import EventLoop
import SystemCalls

struct ConfigCommand: VerbGroup {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "Checks configuration files.", subcommands: [ConfigCheckCommand.self])

    @OptionGroup var global: GlobalOptions
}

struct ConfigCheckCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Tells every error of a configuration file as FILE:LINE:COLUMN.",
        discussion: "With FILE it is checked here; without, the balancer checks the file that it was started with.")

    /// More is no configuration of ours: some ten thousand backends take 1 MiB.
    private static let bytesMax = 16 * 1024 * 1024

    @OptionGroup var global: GlobalOptions

    @Argument(help: ArgumentHelp("The file to check.", valueName: "file"))
    var file: String?

    func perform(_ console: Console) async -> ExitStatus {
        if let file { return check(file, console) }
        return await Fleet(global, console).each { balancer throws(Failure) in
            try await balancer.perform(Request(.configCheck)) { console.data($0) }
        }
    }

    @ControlPlane private func check(_ file: String, _ console: Console) -> ExitStatus {
        do {
            let bytes = try Files.read(file, bytesMax: ConfigCheckCommand.bytesMax)
            let folder = Files.folder(of: Files.resolve(file, in: try Files.workingFolder()))
            let found = try loadConfiguration(bytes: bytes, file: file, folder: folder)
            console.data("\(file): well: \(found.listeners.count) listeners, \(found.pools.count) pools")
            return .done
        } catch let errors as ConfigurationErrors {
            for error in errors.errors { console.data(error.description) }
        } catch let error as SystemError {
            console.data("\(file):1:1: the file cannot be read: \(SystemError.words(for: error.errorNumber))")
        } catch {
            console.message("lbctl: \(error)")
        }
        return .failed
    }
}
