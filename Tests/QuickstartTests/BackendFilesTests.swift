// What a backend keeps between its lives.
import Glibc
import Model
import SystemCalls
import Testing

@testable import quickstart

final class BackendFilesTests {
    private let files: BackendFiles

    init() throws {
        let folder = "/tmp/quickstart-tests-\(Processes.own)-\(UInt32.random(in: 0 ... .max))"
        try Files.makeFolder(folder)
        files = BackendFiles(folder: folder, name: BackendName(unchecked: "web-1"))
    }

    deinit {
        for suffix in ["generation", "port", "lock"] { unlink("\(files.folder)/web-1.\(suffix)") }
        rmdir(files.folder)
    }

    @Test func countsStarts() throws {
        #expect(try files.nextGeneration() == 1)
        #expect(try files.nextGeneration() == 2)
    }

    @Test func remembersItsPort() throws {
        #expect(try files.lastPort() == nil)
        try files.record(port: 65_535)
        #expect(try files.lastPort() == 65_535)
    }

    @Test(arguments: ["", "7", "x\n", "-1\n", "65536\n", "1 2\n"])
    func refusesAFileThatHoldsNoPort(_ content: String) throws {
        try Files.replace("\(files.folder)/web-1.port", with: Array(content.utf8))
        #expect(throws: BackendFileError.self) { try files.lastPort() }
    }

    /// A lock file without a living holder says that nobody runs: no stale number is ever believed.
    @Test func aLockFileAloneHoldsNothing() throws {
        #expect(try ProcessLock.holder(of: files.lock) == nil)
        do { _ = try ProcessLock(files.lock) }
        #expect(try ProcessLock.holder(of: files.lock) == nil)
    }

    @Test(arguments: [("127.0.0.1:0", "127.0.0.1:81"), ("[::1]:80", "[::1]:81"), ("unix:/a", "unix:/a")])
    func changesAnEndpointsPort(_ before: String, _ after: String) throws {
        let endpoint = try Endpoint(before)
        #expect(endpoint.with(port: 81).description == after)
    }
}
