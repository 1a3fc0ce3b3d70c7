// lbctl share: for a while backends get only a part of their weights of new connections.
import ArgumentParser
import ControlProtocol
import EventLoop
import Model

struct ShareCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "share", abstract: "For a while backends get only so much of their weights of new connections.",
        discussion: """
            0 % is only what no other can take. The pool's other backends get all of their weights. It ends with its lease \
            unless it is given again, or by 'lbctl unshare'. Refuses (exit 4) where another owner has set the pool's shares. \
            Example: lbctl share web/web-1=10 web/web-2=50 --lease 5m
            """)

    @OptionGroup var global: GlobalOptions

    @Argument(help: ArgumentHelp("Of one pool: how much of its weight, in percent.", valueName: "pool/backend=percent"), transform: Word.share)
    var shares: [ShareOrder.Share]

    @Option(help: ArgumentHelp("How long it lasts unless it is given again.", valueName: "duration"), transform: Word.duration)
    var lease: Duration

    @OptionGroup var owner: OwnerOption

    @Option(help: ArgumentHelp("Why, for whoever looks at the status.", valueName: "text"), transform: Word.text)
    var reason: String?

    func validate() throws {
        guard let pool = shares.first?.backend.pool else { return }
        guard shares.allSatisfy({ $0.backend.pool == pool }) else {
            throw ValidationError("shares are set for one pool at once: type a command for each")
        }
        for (index, share) in shares.enumerated() where shares[..<index].contains(where: { $0.backend == share.backend }) {
            throw ValidationError("'\(share.backend)' stands twice")
        }
    }

    func perform(_ console: Console) async -> ExitStatus {
        let order = ShareOrder(shares, owner: owner.owner, reason: reason, lease: lease)
        return await Fleet(global, console).report(.share(order), as: SharesRecord.self, text: \.text)
    }
}
