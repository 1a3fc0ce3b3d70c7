// lbctl pool switch: all traffic of a pool to another, in one change, and back by the same verb.
import ArgumentParser
import ControlProtocol
import Model

struct PoolSwitchCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "switch", abstract: "Every listener that leads to one pool leads to another from now on, in one change.",
        discussion: "What is connected stays where it is. Example: lbctl pool switch blue green; and back: lbctl pool switch green blue")

    @OptionGroup var global: GlobalOptions

    @Argument(help: "The pool that gets no new connections any more.", transform: Word.pool)
    var from: PoolName

    @Argument(help: "The pool that gets them.", transform: Word.pool)
    var to: PoolName

    func perform(_ console: Console) async -> ExitStatus {
        await Fleet(global, console).reportChanges(.switchTraffic(from: from, to: to))
    }
}
