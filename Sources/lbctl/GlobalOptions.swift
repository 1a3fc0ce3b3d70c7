// The options that every verb takes: which balancers, and how to print.
import ArgumentParser
import ControlClient
import Model
import SystemCalls

struct GlobalOptions: ParsableArguments, Sendable {
    static let defaultControl = "run/lbd.sock"
    static let controlVariable = "LBCTL_CONTROL"

    enum Format: String, ExpressibleByArgument, CaseIterable, Sendable { case table, wide, json }

    @Option(
        name: .long,
        help: ArgumentHelp(
            "The control socket of a balancer; may be given several times. (default: $\(controlVariable), paths separated by colons, else \(defaultControl))",
            valueName: "path"))
    var control: [String] = []

    @Option(name: [.short, .long], help: "How to print the answer.")
    var output: Format = .table

    var isJSON: Bool { output == .json }

    /// At least one; each once.
    var balancers: [Balancer] {
        let given = control.isEmpty ? GlobalOptions.controlsFromEnvironment : control
        return given.reduce(into: []) { result, path in
            if !result.contains(Balancer(control: path)) { result.append(Balancer(control: path)) }
        }
    }

    private static var controlsFromEnvironment: [String] {
        let paths = Environment.value(controlVariable)?.split(separator: ":").map(String.init) ?? []
        return paths.isEmpty ? [defaultControl] : paths
    }

    func validate() throws {
        guard !control.contains("") else { throw ValidationError("--control needs the path of a socket") }
    }
}
