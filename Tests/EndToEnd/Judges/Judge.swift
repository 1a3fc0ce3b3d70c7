// A judgement: what a real client sees at a real server, and through lbd on one and on two workers, is the same.
import Model
import Testing

enum Judge {
    /// Runs `client` at the server itself, then through an lbd of each size; its results are to be equal, and
    /// every connection is to be gone afterwards. `client` also gets a name for its files. The direct result.
    @discardableResult
    static func compare<Result: Equatable>(
        _ lab: Lab, _ server: Endpoint, at location: SourceLocation = #_sourceLocation,
        _ client: (Endpoint, String) throws -> Result
    ) throws -> Result {
        let direct = try client(server, "direct")
        for workers in Scale.workers {
            let name = "through-\(workers)"
            var configuration = ConfigurationText(backends: [("web-1", "\"\(server)\"")])
            configuration.workers = workers
            configuration.stateDirectory = "run-\(workers)"
            let balancer = try Balancer(lab, configuration, name: name)
            let proxied = try client(balancer.endpoint(), name)
            #expect(proxied == direct, "through lbd on \(workers) workers, against direct", sourceLocation: location)
            let report = try balancer.backend("web-1", at: location) { $0.connections == 0 }
            #expect(report.connectionsTotal > 0, "nothing went through lbd", sourceLocation: location)
            #expect(report.connectFailures == 0, sourceLocation: location)
            #expect(try balancer.stop().status == 0, sourceLocation: location)
        }
        return direct
    }
}

extension Endpoint {
    /// The port of an Internet address.
    func portText() throws -> String {
        guard let port else { throw HarnessError("\(self) has no port") }
        return "\(port)"
    }
}

extension ProgramEnd {
    /// Fails the test where the program did not end with status 0.
    @discardableResult
    func succeeded(at location: SourceLocation = #_sourceLocation) throws -> ProgramEnd {
        guard status == 0 else { throw HarnessError("\(self)", at: location) }
        return self
    }

    /// The first line of the output that begins so, without what stands around it.
    func line(_ start: String) throws -> String {
        let lines = output.split(separator: "\n").map { $0.trimmingPrefix { $0 == " " } }
        guard let line = lines.first(where: { $0.hasPrefix(start) }) else {
            throw HarnessError("no line begins with '\(start)': \(self)")
        }
        return String(line)
    }
}

extension Content {
    /// SHA-256 of a file, in hexadecimal.
    static func sha256(file: String, _ lab: Lab) throws -> String {
        let end = try lab.run(["sha256sum", file], within: .seconds(120)).succeeded()
        return String(end.output.prefix { $0 != " " })
    }

    /// A file of bytes that nobody can guess, made without holding them; its path.
    static func randomFile(_ count: Int, _ lab: Lab, _ name: String) throws -> String {
        let path = lab.path(name)
        try lab.run(["head", "-c", "\(count)", "/dev/urandom"], within: .seconds(120), prelude: "exec >\"\(path)\"").succeeded()
        return path
    }
}
