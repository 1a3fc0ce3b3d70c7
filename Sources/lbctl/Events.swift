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

    func perform(_ console: Console) async -> ExitStatus {
        await Fleet(global, console).report(.events(follow: follow), as: EventRecord.self, text: \.line)
    }
}
