// `quickstart load`: arguments in, a steady load until its time is over or SIGINT or SIGTERM out.
import ArgumentParser
import EventLoop
import Model

struct LoadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "load",
        abstract: "Short and long connections through the balancer; every failure counts. Exit status 1 if there was one.")

    @Option(help: "ADDRESS:PORT of the balancer.", transform: Argument.endpoint)
    var through: Endpoint

    @Option(help: "ADDRESS:PORT of every backend, with commas between, to measure what the balancer adds.", transform: Argument.endpoints)
    var direct: [Endpoint] = []

    @Option(help: "How long; without it until SIGINT or SIGTERM.", transform: Argument.duration)
    var duration: Duration?

    @Option(help: "Short connections per second.", transform: Argument.count)
    var rate: Int = 400

    @Option(help: "Long connections: each lives 1 to 4 s, then comes back.", transform: Argument.count)
    var long: Int = 12

    @Option(help: "File that gets the summary as key=value lines.")
    var report: String?

    func run() throws {
        let settings = LoadSettings(
            through: through, direct: direct, duration: duration, rate: rate, long: long, report: report)
        throw ExitCode(Loop.shared.run { await Load(settings).run() })
    }
}
