// lbctl probe: fresh probes now, and what they found.
import ArgumentParser
import ControlProtocol
import EventLoop

struct ProbeCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "probe", abstract: "Probes backends now, one probe after the other until rise or timeout.",
        discussion: "Every probe behind the answer began after the command. Exit status 3: not up in time.")

    @OptionGroup var global: GlobalOptions
    @OptionGroup var arguments: BackendArguments

    @Option(help: ArgumentHelp("How long to go on without success. (default: 10s)", valueName: "duration"), transform: Word.duration)
    var timeout: Duration?

    func perform(_ console: Console) async -> ExitStatus {
        await Fleet(global, console).report(
            .probe(arguments.backends, timeout: timeout), as: ProbeRecord.self, silenceMax: (timeout ?? .seconds(10)) + Fleet.silenceMax, text: \.text)
    }
}
