// lbctl config reload: the file on disk is taken up.
import ArgumentParser
import ControlProtocol
import EventLoop

struct ConfigReloadCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "reload", abstract: "Takes up the configuration file as it is on disk, all of it or nothing.",
        discussion: """
            Tells what has changed. What commands have changed since and 'config save' has not written is undone, as \
            'config diff' shows beforehand. Connections, wishes, probe results and counters of what stays are kept. What only \
            the next start takes up says so, and stays in 'config diff' until then. SIGHUP does the same.
            """)

    @OptionGroup var global: GlobalOptions

    func perform(_ console: Console) async -> ExitStatus { await Fleet(global, console).reportChanges(.reload) }
}
