// The first command of a new user, as he types it: it builds, shows the main job, and leaves nothing behind.
import Foundation
import Glibc
import Model
import Testing

@Suite(.lab(.heavy), .serialized) struct Quickstart {
    let lab = Lab.current

    /// SWIFTPM_BUILD_DIR: `swift test` holds the lock of the package's own .build while the tests run.
    @Test("Config/quickstart builds, restarts three backends under load with no failed request, and ends clean")
    func toTheEnd() throws {
        let root = Installed.packageRoot
        let environment = "export TMPDIR=\(lab.folder) SWIFTPM_BUILD_DIR=\"\(root)/.build-quickstart\" NO_COLOR=1"
        let end = try lab.run(["\(root)/Config/quickstart"], within: .seconds(600), prelude: environment)
        #expect(end.status == 0, "\(end)")
        #expect(end.output.contains(try Regex("(?m)^ *failed +0$")), "\(end)")
        for name in ["web-1", "web-2", "web-3"] {
            #expect(end.output.contains("\(name) 1 -> 2"), "\(name) was not restarted: \(end)")
        }
        try expectNothingLeft(end)
    }

    @Test("Config/quickstart --keep leaves it running, --stop ends it")
    func keepAndStop() throws {
        let script = "\(Installed.packageRoot)/Config/quickstart"
        let products = URL(fileURLWithPath: try Installed.product("lbd")).deletingLastPathComponent().path
        let environment = "export TMPDIR=\(lab.folder)"
        let end = try lab.run([script, "--keep", "--binaries", products], within: .seconds(120), prelude: environment)
        #expect(end.status == 0, "\(end)")
        let folder = try #require(try runFolders().first, "\(end)")
        let status = try lab.run([Installed.product("lbctl"), "--control", "\(folder)/lbd.sock", "status"])
        #expect(status.status == 0 && status.output.contains("web/web-3"), "\(status)")
        let stop = try lab.run([script, "--stop", folder], within: .seconds(30), prelude: environment)
        #expect(stop.status == 0, "\(stop)")
        let again = try lab.run([script, "--stop", folder], within: .seconds(30), prelude: environment)
        #expect(again.status == 1 && again.errors.contains("no such folder: \(folder) (stopped already?)"), "\(again)")
        try expectNothingLeft(end)
    }

    @Test("a folder without the programs is named before anything starts")
    func noPrograms() throws {
        let script = "\(Installed.packageRoot)/Config/quickstart"
        let end = try lab.run([script, "--binaries", lab.folder], prelude: "export TMPDIR=\(lab.folder)")
        #expect(end.status == 1 && end.errors.contains("there is no lbd in \(lab.folder)"), "\(end)")
        #expect(try runFolders() == [])
    }

    private func runFolders() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: lab.folder).filter { $0.hasPrefix("sluice.") }.map(lab.path)
    }

    /// No run folder, no process, no port.
    private func expectNothingLeft(_ end: ProgramEnd) throws {
        #expect(try runFolders() == [])
        #expect(ProcessTable.working(in: lab.folder).map(ProcessTable.commandLine) == [])
        let endpoints = end.output.matches(of: /listens on (127\.0\.0\.1:\d+)/).map { String($0.1) }
        #expect(endpoints.count == 4, "\(end)")
        for endpoint in endpoints {
            #expect(throws: (any Error).self, "\(endpoint) is still open") { try Peer(connecting: Endpoint(endpoint)) }
        }
    }
}
