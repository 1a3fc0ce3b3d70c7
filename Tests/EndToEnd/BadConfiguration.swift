// Configuration files that are wrong: each refused with its place and a remedy, quickly, and nothing changed.
import ControlProtocol
import Glibc
import Model
import Testing

struct BadFile: Sendable, CustomTestStringConvertible {
    let name: String
    let content: [UInt8]
    /// `LINE:COLUMN`, where the contract says exactly which it is.
    let place: String?
    /// Of each group one stands in the message: what is wrong, and what would be right.
    let words: [[String]]

    var testDescription: String { name }

    init(_ name: String, _ content: [UInt8], at place: String? = nil, says words: [[String]]) {
        (self.name, self.content, self.place, self.words) = (name, content, place, words)
    }

    /// The good file with one change.
    init(_ name: String, _ wrong: String, insteadOf right: String, at place: String, says words: [[String]]) {
        precondition(BadFile.good.contains(right))
        self.init(name, Array(BadFile.good.replacing(right, with: wrong).utf8), at: place, says: words)
    }

    static let good = """
        control: run/lbd.sock
        state-directory: run
        listeners:
          web:
            bind: 127.0.0.1:0
            pool: web
        pools:
          web:
            idle-timeout: 1h
            health: { check: none }
            backends:
              web-1: 127.0.0.1:9001
              web-2: 127.0.0.1:9002

        """

    static let all = [
        BadFile("unknown key", "idle-timeot: 1h", insteadOf: "idle-timeout: 1h", at: "9:5", says: [["idle-timeot"], ["idle-timeout"]]),
        BadFile("unknown key at the top", "contrl: run", insteadOf: "control: run", at: "1:1", says: [["contrl"], ["control"]]),
        BadFile("duplicate backend", "web-1: 127.0.0.1:9002", insteadOf: "web-2: 127.0.0.1:9002", at: "13:7", says: [["web-1"], ["twice", "duplicate", "already"]]),
        BadFile("duplicate key", "pool: web\n    bind: 127.0.0.1:1", insteadOf: "pool: web", at: "7:5", says: [["bind"]]),
        BadFile("dangling pool", "pool: wbe", insteadOf: "pool: web", at: "6:11", says: [["wbe"], ["web"]]),
        BadFile("negative duration", "idle-timeout: -1s", insteadOf: "idle-timeout: 1h", at: "9:19", says: [["negative"]]),
        BadFile("duration without a unit", "idle-timeout: 10", insteadOf: "idle-timeout: 1h", at: "9:19", says: [["10s", "2s", "unit"]]),
        BadFile("port 70000", "bind: 127.0.0.1:70000", insteadOf: "bind: 127.0.0.1:0", at: "5:11", says: [["70000"], ["65535"]]),
        BadFile("port 70000 of a backend", "web-2: 127.0.0.1:70000", insteadOf: "web-2: 127.0.0.1:9002", at: "13:14", says: [["70000"], ["65535"]]),
        BadFile("host name", "web-2: localhost:9002", insteadOf: "web-2: 127.0.0.1:9002", at: "13:14", says: [["localhost"]]),
        BadFile("unknown check", "check: conect", insteadOf: "check: none", at: "10:22", says: [["conect"], ["connect"]]),
        BadFile("alias bomb", Array(aliasBomb.utf8), says: [["alias", "anchor"]]),
        BadFile("5,000-deep nesting", Array(("pools: " + String(repeating: "[", count: 5000)).utf8), says: [["deep", "nest"]]),
        BadFile("5,000 maps in each other", Array(String(repeating: "{a: ", count: 5000).utf8), says: [["deep", "nest"]]),
        BadFile("empty file", [], says: [["empty", "control", "listeners", "pools"]]),
        BadFile("not UTF-8", Array("control: \"".utf8) + [0xC3, 0x28, 0xFF] + Array("\"\n".utf8), says: [["UTF-8"]]),
        BadFile("NUL bytes", [UInt8](repeating: 0, count: 100), says: [[""]]),
        BadFile("broken YAML", Array("control: [run\nlisteners: {\n".utf8), says: [[""]]),
    ]

    private static let aliasBomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + zip("bcdefghij", "abcdefghi").map { new, old in
        "\(new): &\(new) [" + repeatElement("*\(old)", count: 9).joined(separator: ", ") + "]\n"
    }.joined()
}

@Suite(.lab) struct BadConfiguration {
    let lab = Lab.current

    @Test("--check refuses it with exit 78, its place and a remedy", arguments: BadFile.all)
    func refused(file: BadFile) throws {
        let path = try lab.write("bad.yaml", file.content)
        let end = try check(path)
        #expect(end.status == 78, "\(end)")
        let place = file.place ?? "\\d+:\\d+"
        let pattern = try Regex("^\(path):\(place): .+").anchorsMatchLineEndings()
        #expect(end.text.contains(pattern), "no line begins with FILE:\(place): in \(end)")
        for group in file.words { #expect(group.contains { end.text.contains($0) || $0.isEmpty }, "none of \(group) in \(end)") }
    }

    @Test("a folder, a missing file and an endless one are refused with 78", arguments: [".", "no-such-file.yaml", "/dev/zero"])
    func noFile(name: String) throws {
        let path = name.hasPrefix("/") ? name : lab.path(name)
        let end = try check(path)
        #expect(end.status == 78, "\(end)")
        #expect(end.text.contains(path), "\(end)")
    }

    @Test("every error of a file is told at once")
    func allErrors() throws {
        let text = BadFile.good.replacing("idle-timeout: 1h", with: "idle-timeout: -1s").replacing("9002", with: "70000")
        let end = try check(try lab.write("bad.yaml", text))
        #expect(end.status == 78)
        #expect(end.text.contains("bad.yaml:9:19: "), "\(end)")
        #expect(end.text.contains("bad.yaml:13:14: "), "\(end)")
    }

    @Test("a file without its --config is told what is missing")
    func withoutOption() throws {
        let end = try lab.run([Installed.product("lbd"), "nope.yaml"])
        #expect(end.status == 64 && end.errors.contains("did you mean --config nope.yaml?"), "\(end)")
    }

    @Test("a good file passes --check with exit 0 and changes nothing")
    func good() throws {
        let end = try check(try lab.write("good.yaml", BadFile.good))
        #expect(end.status == 0, "\(end)")
        #expect(access(lab.path("run"), F_OK) != 0, "--check has made the state directory")
    }

    @Test("lbd does not start on a bad file, and leaves nothing behind")
    func doesNotStart() throws {
        let path = try lab.write("bad.yaml", BadFile.good.replacing("9002", with: "70000"))
        let end = try lab.run([Installed.product("lbd"), "--config", path], within: .seconds(10))
        #expect(end.status == 78, "\(end)")
        #expect(end.text.contains("bad.yaml:13:14: "), "\(end)")
        #expect(access(lab.path("run"), F_OK) != 0)
    }

    @Test("lbctl config check finds the error in the file of a running lbd, which goes on")
    func checkOfTheRunning() throws {
        let server = try TestServer.named("web-1", lab)
        let balancer = try Balancer(lab, ConfigurationText([("web-1", server)]))
        let well = try balancer.lbctl("config", "check")
        #expect(well.status == 0 && well.output == "\(balancer.control): the file on disk is well\n", "\(well)")
        #expect(try balancer.lbctl("config", "check", "-o", "json").output == "{\"errors\":[]}\n")
        try lab.write("lbd.yaml", BadFile.good.replacing("9002", with: "70000"))
        let end = try balancer.lbctl("config", "check")
        #expect(end.status == 1, "\(end)")
        #expect(end.text.contains("lbd.yaml:13:14: "), "\(end)")
        #expect(try balancer.census(5) == ["web-1": 5])
        #expect(try balancer.status().pools[0].backends.map(\.name) == ["web-1"])
    }

    /// Ten seconds and 2 GiB: an alias bomb needs more of both, were it followed. A sanitizer's shadow memory alone
    /// takes more addresses than that.
    private func check(_ path: String) throws -> ProgramEnd {
        try lab.run(
            [Installed.product("lbd"), "--config", path, "--check"], within: .seconds(10),
            prelude: Scale.isSanitized ? ":" : "ulimit -v 2097152")
    }
}
