// lbctl events: every state change, as a line or as JSON.
import ArgumentParser
import ControlProtocol
import EventLoop

struct EventsCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "events", abstract: "Shows every state change, one a line; with -o json one object a line.")

    @OptionGroup var global: GlobalOptions

    @Flag(help: "Go on with what happens from now on, until interrupted.")
    var follow = false

    @Option(help: ArgumentHelp(
        "Only what came after the event of this number: 'eventSequence' of a status, or 'sequence' of the last event read.",
        valueName: "sequence"))
    var since: UInt64?

    func perform(_ console: Console) async -> ExitStatus {
        await Fleet(global, console).report(.events(follow: follow, since: since), as: EventRecord.self, silenceMax: follow ? nil : Fleet.silenceMax, text: \.line)
    }
}
