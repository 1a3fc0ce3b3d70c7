// lbctl config: the configuration file against what is right.
import ArgumentParser
import Configuration
import ControlProtocol
import EventLoop
import SystemCalls

struct ConfigCommand: VerbGroup {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "The configuration file against what runs: checked, compared, taken up, saved.",
        subcommands: [
            ConfigCheckCommand.self, ConfigShowCommand.self, ConfigDiffCommand.self, ConfigReloadCommand.self, ConfigSaveCommand.self,
            ConfigSetCommand.self,
        ])

    @OptionGroup var global: GlobalOptions
}

struct ConfigCheckCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Tells every error of a configuration file as FILE:LINE:COLUMN.",
        discussion: """
            With FILE it is checked here, and no balancer is asked; without FILE the running lbd checks the file that \
            it was started with, as it is on disk now. Exit status: 0 the file is well, 1 it is not.
            """)

    /// More is no configuration of ours: some ten thousand backends take 1 MiB.
    private static let bytesMax = 16 * 1024 * 1024

    @OptionGroup var global: GlobalOptions

    @Argument(help: ArgumentHelp("The file to check.", valueName: "file"))
    var file: String?

    func perform(_ console: Console) async -> ExitStatus {
        if let file { return check(file, console) }
        let fleet = Fleet(global, console)
        return await fleet.each { balancer throws(Failure) in
            try await balancer.perform(.configuration(.check), decoding: ConfigCheckRecord.self, silenceMax: Fleet.silenceMax) { record in
                if global.isJSON { return fleet.show(record, of: balancer, text: "") }
                // An error names its file; that all is well names nothing but the balancer.
                let names = record.errors.isEmpty && !console.prefixes
                for line in record.lines { fleet.show(record, of: balancer, text: names ? "\(balancer.control): \(line)" : line) }
            }
        }
    }

    @ControlPlane private func check(_ file: String, _ console: Console) -> ExitStatus {
        do {
            let bytes = try Files.read(file, bytesMax: ConfigCheckCommand.bytesMax)
            let folder = Files.folder(of: Files.resolve(file, in: try Files.workingFolder()))
            let found = try loadConfiguration(bytes: bytes, file: file, folder: folder)
            tell([], console, well: "\(file): well: \(found.summary)")
            return .done
        } catch let errors as ConfigurationErrors {
            tell(errors.errors.map(\.description), console)
        } catch let error as SystemError {
            tell(["\(file): the file cannot be read: \(SystemError.words(for: error.errorNumber))"], console)
        } catch {
            console.message("lbctl: \(error)")
        }
        return .failed
    }

    @ControlPlane private func tell(_ errors: [String], _ console: Console, well: String = "") {
        if global.isJSON { return console.data(JSONText.line(ConfigCheckRecord(errors: errors))) }
        for line in errors.isEmpty ? [well] : errors { console.data(line) }
    }
}
