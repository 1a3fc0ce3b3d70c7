// lbctl measure: what a pool and its backends carry, have carried at most, and can carry.
import ArgumentParser
import ControlProtocol
import EventLoop
import Model

struct MeasureCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "measure", abstract: "Tells what a pool and its backends carry, have carried at most, and can carry.",
        discussion: """
            Connections, new ones a second, and bytes a second both ways. Peaks are those of the time that lbd keeps; \
            capacities are what the configuration says. A rollout is proved by these. JSON tells also what became of the connections.
            """)

    @OptionGroup var global: GlobalOptions

    @Argument(help: "The pool.", transform: Word.pool)
    var pool: PoolName

    @Flag(help: "In JSON also how old the connections that hold each backend are.")
    var ages = false

    func perform(_ console: Console) async -> ExitStatus {
        await Fleet(global, console).reportLines(.measure(pool, ages: ages), as: MeasureReport.self, lines: \.lines)
    }
}
