// lbctl unshare: every backend of a pool gets all of its weight of new connections again.
import ArgumentParser
import ControlProtocol
import EventLoop
import Model

struct UnshareCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "unshare", abstract: "Gives every backend of a pool all of its weight of new connections again.",
        discussion: "Refuses (exit 4) to undo what another owner ordered without --force.")

    @OptionGroup var global: GlobalOptions

    @Argument(help: "The pool.", transform: Word.pool)
    var pool: PoolName

    @OptionGroup var owner: OwnerOption

    @Flag(help: "Also where another owner set the shares.")
    var force = false

    func perform(_ console: Console) async -> ExitStatus {
        await Fleet(global, console).report(
            .unshare(pool, owner: owner.owner, force: force), as: SharesRecord.self, text: \.text)
    }
}
