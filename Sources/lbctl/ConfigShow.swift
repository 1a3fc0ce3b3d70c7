// lbctl config show: what runs, as a configuration file.
import ArgumentParser
import ControlProtocol
import EventLoop

struct ConfigShowCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Shows the running configuration as YAML: the file, and what commands have changed since.")

    @OptionGroup var global: GlobalOptions

    @Flag(help: "With every default filled in, and all paths absolute.")
    var defaults = false

    func perform(_ console: Console) async -> ExitStatus {
        let fleet = Fleet(global, console)
        return await fleet.each { balancer throws(Failure) in
            try await balancer.perform(.configuration(.show(defaults: defaults)), decoding: ConfigShowRecord.self, silenceMax: Fleet.workMax) { record in
                if global.isJSON { return fleet.show(record, of: balancer, text: "") }
                // A prefix to each line would leave no YAML.
                if console.prefixes { console.data("# \(balancer.control)") }
                for line in record.lines { console.data(line) }
            }
        }
    }
}
