// The options of the verbs that change an operator's wish.
import ArgumentParser
import Model

struct BackendArguments: ParsableArguments, Sendable {
    @Argument(help: ArgumentHelp("One or more backends, each POOL/BACKEND.", valueName: "pool/backend"), transform: Word.backend)
    var backends: [BackendReference]
}

struct OwnerOption: ParsableArguments, Sendable {
    @Option(help: ArgumentHelp("On whose behalf. (default: your user name)", valueName: "name"), transform: Word.text)
    var owner: String?
}

struct ForceFlag: ParsableArguments, Sendable {
    @Flag(help: "Also where another owner drained it.")
    var force = false
}
