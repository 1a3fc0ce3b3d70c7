// What the verbs that change the configuration share: options as words, how removals wait, and their answers.
import ArgumentParser
import ControlClient
import ControlProtocol
import EventLoop
import Model

struct SettingArguments: ParsableArguments, Sendable {
    @Argument(
        help: ArgumentHelp("Options as in the file, one in a group with a dot, such as a pool's health.interval=1s; 'KEY=' is back to the default.", valueName: "key=value"),
        transform: Word.setting)
    var settings: [Setting] = []

    func checkGiven() throws {
        guard !settings.isEmpty else { throw ValidationError("Missing expected argument '<key=value>'") }
    }
}

struct RemovalOptions: ParsableArguments, Sendable {
    @Flag(help: "Reset what is still connected, instead of draining first.")
    var now = false

    @Flag(help: "Wait until it is really gone.")
    var wait = false

    @Option(help: ArgumentHelp("How long to wait. (default: the pool's drain deadline)", valueName: "duration"), transform: Word.duration)
    var deadline: Duration?

    func validate() throws {
        guard wait || deadline == nil else { throw ValidationError("--deadline is how long to wait: give --wait too") }
    }

    var waiting: RemovalWait { wait ? .untilGone(deadline: deadline) : .no }
}

extension Fleet {
    /// Tells each change that a command has made, or every error of the file that is in its way.
    func reportChanges(_ command: ConfigurationCommand) async -> ExitStatus {
        await each { balancer throws(Failure) in
            try await balancer.perform(.configuration(command), decoding: ChangesRecord.self, silenceMax: Fleet.workMax) { show($0, of: balancer) }
        }
    }

    /// The same, then how what was removed comes to its end.
    func reportRemoval(_ subjects: [ConfigurationSubject], _ options: RemovalOptions) async -> ExitStatus {
        let command = ConfigurationCommand.remove(subjects, now: options.now, waiting: options.waiting)
        let silenceMax = options.wait ? nil : Fleet.workMax
        return await each { balancer throws(Failure) in
            try await balancer.perform(.configuration(command), decoding: RemovalAnswer.self, silenceMax: silenceMax) { answer in
                switch answer {
                case .changes(let record): show(record, of: balancer)
                case .removal(let record): show(record, of: balancer, text: record.lines[0])
                }
            }
        }
    }

    func show(_ record: ChangesRecord, of balancer: Balancer) {
        if isJSON { return show(record, of: balancer, text: "") }
        for line in record.findings { show(record, of: balancer, text: line) }
        for warning in record.warnings {
            console.message("lbctl: warning: " + (console.prefixes ? "\(balancer.control): " : "") + warning)
        }
    }
}

/// The lines of a removal's answer: first the changes, then those of the wait.
private enum RemovalAnswer: Decodable, Sendable {
    case changes(ChangesRecord)
    case removal(RemovalRecord)

    private enum Key: CodingKey { case changes }

    init(from decoder: any Decoder) throws {
        let isFirst = try decoder.container(keyedBy: Key.self).contains(.changes)
        self = isFirst ? .changes(try ChangesRecord(from: decoder)) : .removal(try RemovalRecord(from: decoder))
    }
}
