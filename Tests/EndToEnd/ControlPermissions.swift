// Who may give orders to lbd: its user, its group and root everything, a stranger nothing; and nobody can put another
// socket in the place of its own. Faults: a tool's account that can drain but not undrain, and the world-writable folder
// that gives the balancer away.
import ControlProtocol
import Foundation
import Glibc
import Model
import SystemCalls
import Testing

private enum Somebody: String, CaseIterable {
    case owner, group, root, stranger

    /// Numbers without names: nobody has to be made for the test. lbd runs as 64001:64002.
    var identity: [String] {
        switch self {
        case .owner: ["--reuid=64001", "--regid=64009", "--clear-groups"]
        case .group: ["--reuid=64003", "--regid=64009", "--groups=64002"]
        case .root: ["--reuid=0", "--regid=64009", "--clear-groups"]
        case .stranger: ["--reuid=64004", "--regid=64004", "--clear-groups"]
        }
    }

    var isAllowed: Bool {
        switch self {
        case .owner, .group, .root: true
        case .stranger: false
        }
    }
}

@Suite(.lab, .enabled(if: getuid() == 0, "only root can be several users"))
struct ControlPermissions {
    let lab = Lab.current

    /// A line that is carried out; of a verb that is not among them the bare word shows that lbd hears it.
    private static let lines = [
        "help": "help", "status": "status", "drain": "drain web/web-1 owner=x", "undrain": "undrain web/web-1 owner=x",
        "maintain": "maintain web/web-1 owner=x", "ready": "ready web/web-1 owner=x", "probe": "probe web/web-1", "events": "events",
        "config check": "config check",
    ]

    @Test("every command by the owner of the socket, its group, root and a stranger matches the table")
    func table() throws {
        let balancer = try startAsService()
        let verbs = try balancer.command("help output=json").data.map { try JSONDecoder().decode(HelpRecord.self, from: Data($0.utf8)).verb }
        #expect(verbs.contains("drain") && verbs.contains("config check"))
        for somebody in Somebody.allCases {
            for verb in verbs {
                let line = ControlPermissions.lines[verb] ?? verb
                let end = try say(line, to: balancer, as: somebody)
                let status = end.output.split(separator: "\n").last { $0.hasPrefix("+") || $0.hasPrefix("-") }
                switch (somebody.isAllowed, ControlPermissions.lines[verb] != nil) {
                case (true, true): #expect(status == "+ok", "\(somebody): \(line): \(end)")
                case (true, false): #expect(status != nil, "\(somebody): \(line): \(end)")
                case (false, _):
                    #expect(end.output.isEmpty && end.errors.contains("Permission denied"), "\(somebody): \(line): \(end)")
                }
            }
        }
        #expect(balancer.program.errors.contains("wish ready -> drain by x (uid 64003)"), "the log does not say who drained")
    }

    /// lbd as a service's user; the lab lets everybody look in, so that the socket's own mode decides.
    private func startAsService() throws -> Balancer {
        let file = try lab.write("lbd.yaml", ConfigurationText([("web-1", try TestServer.named("web-1", lab))]).yaml(control: "lbd.sock"))
        #expect(chmod(lab.folder, 0o755) == 0 && chown(lab.folder, 64001, 64002) == 0)
        return try Balancer(lab, file: file, under: ["setpriv", "--reuid=64001", "--regid=64002", "--clear-groups"])
    }

    private func say(_ line: String, to balancer: Balancer, as somebody: Somebody) throws -> ProgramEnd {
        let script = "printf '%s\\n' \"$1\" | \(try Installed.program("socat")) -t10 - \"UNIX-CONNECT:$2\""
        return try lab.run(["setpriv"] + somebody.identity + ["sh", "-c", script, "sh", line, balancer.control])
    }

    @Test("a sticky folder of somebody else is refused as well: its owner may replace what lies there")
    func stickyOfAnother() throws {
        #expect(mkdir(lab.path("shared"), 0o777) == 0 && chmod(lab.path("shared"), 0o1777) == 0 && chown(lab.path("shared"), 64001, 64001) == 0)
        let end = try start(control: "shared/lbd.sock")
        #expect(end.status == 1, "\(end)")
        #expect(end.errors.contains("sticky, but belongs to another user"), "\(end)")
    }

    /// Whose members would take lbd's place for whoever trusts its answers. Its own group may give all orders anyway.
    @Test("a folder that a group other than lbd's own may write is refused, with the remedy", arguments: [false, true])
    func groupFolder(isOwn: Bool) throws {
        #expect(mkdir(lab.path("team"), 0o770) == 0 && chmod(lab.path("team"), 0o770) == 0)
        #expect(chown(lab.path("team"), 0, isOwn ? getegid() : 64_002) == 0)
        guard isOwn else {
            let end = try start(control: "team/lbd.sock")
            #expect(end.status == 1, "\(end)")
            #expect(end.errors.contains("group gid 64002, which is not lbd's own, may write in \(lab.path("team"))"), "\(end)")
            return #expect(end.errors.contains("chmod g-w \(lab.path("team"))"), "\(end)")
        }
        let file = try lab.write("lbd.yaml", ConfigurationText([("web-1", try TestServer.named("web-1", lab))]).yaml(control: "team/lbd.sock"))
        let program = try lab.start([Installed.product("lbd"), "--config", file])
        try eventually(within: .seconds(20), "lbd to open its socket there") { FileManager.default.fileExists(atPath: lab.path("team/lbd.sock")) }
        try program.signal(SIGTERM)
        #expect(try program.end().status == 0)
    }

    private func start(control: String) throws -> ProgramEnd {
        let file = try lab.write("lbd.yaml", ConfigurationText([("web-1", try TestServer.named("web-1", lab))]).yaml(control: control))
        return try lab.run([Installed.product("lbd"), "--config", file])
    }
}

@Suite(.lab) struct ControlFolder {
    let lab = Lab.current

    private func configuration(control: String) throws -> String {
        try lab.write("lbd.yaml", ConfigurationText([("web-1", try TestServer.named("web-1", lab))]).yaml(control: control))
    }

    @Test("a control socket in or below a folder that everybody may write is refused, with the remedy", arguments: ["open/lbd.sock", "open/inner/lbd.sock"])
    func openFolder(control: String) throws {
        try Files.makeFolder(lab.path("open/inner"), mode: 0o755)
        #expect(chmod(lab.path("open"), 0o777) == 0)
        let end = try lab.run([Installed.product("lbd"), "--config", try configuration(control: control)])
        #expect(end.status == 1, "\(end)")
        #expect(end.errors.contains("everybody may write in \(lab.path("open"))") && end.errors.contains("chmod o-w"), "\(end)")
        #expect(!FileManager.default.fileExists(atPath: lab.path(control)), "the socket was made all the same")
    }

    @Test("a sticky folder of lbd's own user or root's will do, as /tmp does")
    func sticky() throws {
        #expect(mkdir(lab.path("tmp"), 0o777) == 0 && chmod(lab.path("tmp"), 0o1777) == 0)
        let program = try lab.start([Installed.product("lbd"), "--config", try configuration(control: "tmp/lbd.sock")])
        try eventually(within: .seconds(10), "lbd to answer at tmp/lbd.sock") {
            guard FileManager.default.fileExists(atPath: lab.path("tmp/lbd.sock")) else { return false }
            let conversation = try ControlConversation(lab.path("tmp/lbd.sock"))
            try conversation.send("status\n")
            return try conversation.reply().code == .done
        }
        try program.signal(SIGTERM)
        try program.end()
    }

    @Test("a symbolic link in the socket's place is refused, and neither it nor its target is touched", arguments: [true, false])
    func link(toASocket: Bool) throws {
        let target = lab.path("target")
        if toASocket {
            // One that nobody listens at any more: behind a link it is not ours to replace either.
            _ = try Sockets.bindUnix(target, mode: 0o600)
        } else {
            try lab.write("target", "precious")
        }
        let before = try FileManager.default.attributesOfItem(atPath: target) as NSDictionary
        #expect(symlink(target, lab.path("lbd.sock")) == 0)
        let end = try lab.run([Installed.product("lbd"), "--config", try configuration(control: "lbd.sock")])
        #expect(end.status == 1 && end.errors.contains("lbd.sock"), "\(end)")
        #expect(try FileManager.default.attributesOfItem(atPath: target) as NSDictionary == before, "the link's target was changed")
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: lab.path("lbd.sock")) == target)
    }
}
