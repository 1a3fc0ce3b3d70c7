// A real lbd under test: started from a configuration, asked over its control socket, looked at through /proc.
import ControlProtocol
import Foundation
import Glibc
import Model
import SystemCalls
import Testing

final class Balancer: Sendable {
    let program: RunningProgram
    /// Path of the control socket.
    let control: String
    private let lab: Lab

    /// Starts lbd and waits until its control socket answers. `name` tells several in one lab apart. `under`: a
    /// program that becomes lbd, such as `strace -D`.
    convenience init(
        _ lab: Lab, _ configuration: ConfigurationText, name: String = "lbd", prelude: String = ":", under: [String] = []
    ) throws {
        let file = try lab.write("\(name).yaml", configuration.yaml(control: "\(name).sock"))
        try self.init(lab, file: file, name: name, prelude: prelude, under: under)
    }

    /// Starts lbd on a file that is there already (a second time, say).
    init(_ lab: Lab, file: String, name: String = "lbd", prelude: String = ":", under: [String] = []) throws {
        self.lab = lab
        control = lab.path("\(name).sock")
        let program = try lab.start(under + [Installed.product("lbd"), "--config", file], name: name, prelude: prelude)
        self.program = program
        var last = "nobody there"
        try eventually(within: .seconds(20), "lbd to answer at its control socket; last: \(last)") {
            guard try program.isRunning() else { throw HarnessError("lbd has ended: \(try program.end())") }
            do { return try status().pid == program.process } catch {
                last = "\(error)"
                return false
            }
        }
    }

    var process: pid_t { program.process }

    // MARK: Asking

    /// One line to the control socket, and its whole reply.
    func command(_ line: String, within limit: Duration = .seconds(60)) throws -> ControlConversation.Reply {
        let conversation = try ControlConversation(control, patience: limit)
        try conversation.send(line + "\n")
        return try conversation.reply()
    }

    func status() throws -> StatusReport {
        let reply = try command("status output=json")
        guard reply.status == .ok else { throw HarnessError("status answered \(reply)") }
        return try JSONDecoder().decode(StatusReport.self, from: Data(reply.data.joined(separator: "\n").utf8))
    }

    func backend(_ name: String, pool: String = "web") throws -> BackendReport {
        guard let backend = try status().pools.first(where: { $0.name == pool })?.backends.first(where: { $0.name == name })
        else { throw HarnessError("status has no \(pool)/\(name)") }
        return backend
    }

    /// Waits until a backend's report is as wanted.
    @discardableResult
    func backend(
        _ name: String, pool: String = "web", within limit: Duration = .seconds(10),
        at location: SourceLocation = #_sourceLocation, is wanted: (BackendReport) -> Bool
    ) throws -> BackendReport {
        var last: BackendReport?
        return try eventually(within: limit, "another state than \(last.map { "\($0)" } ?? "none")", at: location) {
            last = try backend(name, pool: pool)
            return wanted(last!) ? last : nil
        }
    }

    /// Waits until every backend takes traffic.
    func becomesAvailable(within limit: Duration = .seconds(10), at location: SourceLocation = #_sourceLocation) throws {
        try eventually(within: limit, "every backend to be available", at: location) {
            try status().pools.allSatisfy { $0.backends.allSatisfy { $0.availability == .available } }
        }
    }

    // MARK: Traffic

    /// Where a listener really listens.
    func endpoint(_ listener: String = "web") throws -> Endpoint {
        guard let bind = try status().listeners.first(where: { $0.name == listener })?.bind else {
            throw HarnessError("status has no listener \(listener)")
        }
        let endpoint = try Endpoint(bind)
        guard case .unix(let path) = endpoint else { return endpoint }
        return .unix(path: Files.resolve(path, in: lab.folder))
    }

    func connect(_ listener: String = "web") throws -> Peer { try Peer(connecting: endpoint(listener)) }

    // MARK: Operating

    /// Runs lbctl at this balancer to its end.
    func lbctl(_ arguments: String..., within limit: Duration = .seconds(30), at location: SourceLocation = #_sourceLocation) throws -> ProgramEnd {
        try startLbctl(arguments).end(within: limit, at: location)
    }

    func startLbctl(_ arguments: [String], prelude: String = ":") throws -> RunningProgram {
        let state = "export XDG_STATE_HOME=\(lab.path("state"))"
        return try lab.start([Installed.product("lbctl"), "--control", control] + arguments, prelude: "\(state) && \(prelude)")
    }

    /// SIGTERM, and the end that follows.
    @discardableResult
    func stop(within limit: Duration = .seconds(10), at location: SourceLocation = #_sourceLocation) throws -> ProgramEnd {
        try program.signal(SIGTERM)
        return try program.end(within: limit, at: location)
    }
}
