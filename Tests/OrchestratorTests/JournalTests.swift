// The journal's file: what a kill, a full disk and a second process do to it.
import ControlProtocol
import EventLoop
import Glibc
import Model
import SystemCalls
import TestSupport
import Testing

@testable import Orchestrator

@Suite struct JournalTests {
    let temporary: TemporaryFolder
    let store: RolloutStore

    init() throws {
        temporary = try TemporaryFolder()
        store = RolloutStore(path: temporary.file("state/rollouts"))
    }

    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    @Test func linesAreReadBackInOrder() async throws {
        let store = store
        let folder = try store.create(for: try PoolName("web"))
        try await onLoop {
            let journal = try Journal.create(in: folder)
            for number in 1...3 { try await journal.append(Array("{\"n\":\(number)}".utf8)) }
        }
        let content = try JournalContent(reading: folder.journal)
        #expect(content.lines == ["{\"n\":1}", "{\"n\":2}", "{\"n\":3}"].map(bytes))
        #expect(content.warning == nil)
    }

    @Test func foldersAreForTheirOwnerAlone() throws {
        let folder = try store.create(for: try PoolName("web"))
        for path in [store.path, folder.path] {
            var status = stat()
            #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o700, "\(path)")
        }
    }

    /// Killed within a write: the half line is said and cut off, the next line stands on its own.
    @Test func aTornLastLineIsSaidAndCutOff() async throws {
        let folder = try store.create(for: try PoolName("web"))
        try Files.create(folder.journal, with: bytes("one\ntwo\n{\"half"))
        let content = try await onLoop { () -> JournalContent in
            let (journal, content) = try Journal.open(folder)
            try await journal.append(Array("three".utf8))
            return content
        }
        #expect(content.lines == ["one", "two"].map(bytes))
        #expect(content.warning?.contains("6 bytes") == true)
        #expect(contents(of: folder.journal) == "one\ntwo\nthree\n")
    }

    /// A write that only half fits is taken back, and nothing is written after it: a gap would look like a forgery.
    @Test func afterAFullDiskNothingMoreIsWritten() async throws {
        let folder = try store.create(for: try PoolName("web"))
        let mount = folder.path
        guard try await isMounted(mount) else { return }
        defer { _ = umount2(mount, Int32(MNT_DETACH)) }
        let failures = try await onLoop { () -> [String] in
            let journal = try Journal.create(in: folder)
            var failures: [String] = []
            for size in [100, 60_000, 1] {
                do throws(SystemError) { try await journal.append([UInt8](repeating: 0x61, count: size)) } catch { failures.append("\(error)") }
            }
            return failures
        }
        #expect(failures.count == 2 && failures.allSatisfy { $0.contains("No space left on device") }, "\(failures)")
        #expect(try JournalContent(reading: folder.journal).lines.map(\.count) == [100])
    }

    @Test func aDeviceWithoutRoomIsAnError() throws {
        let full = try AppendedFile(opening: "/dev/full")
        let error = #expect(throws: SystemError.self) { try full.append([0x61, 0x0A]) }
        #expect(error?.errorNumber == ENOSPC)
    }

    @Test func oneProcessAtATime() async throws {
        let folder = try store.create(for: try PoolName("web"))
        try Files.create(folder.journal, with: bytes("one\n"))
        // Another process, as a process's own locks do not hold against itself.
        let ready = temporary.file("ready")
        let script = "import fcntl,sys,time; f=open(sys.argv[1],'a'); fcntl.lockf(f,fcntl.LOCK_EX); open(sys.argv[2],'w'); time.sleep(600)"
        let other = try ChildProcess(starting: ["python3", "-c", script, folder.path + "/lock", ready], output: nil)
        defer { kill(other.process, SIGKILL) }
        try await onLoop { while !Files.exists(ready) { await pause(for: .milliseconds(10)) } }
        let failure = try await onLoop { () -> Failure? in
            do throws(Failure) { _ = try Journal.open(folder) } catch { return error }
            return nil
        }
        #expect(failure?.code == .refused)
        #expect(failure?.message.hasSuffix("already, \(other.process)") == true, "\(failure.map(\.message) ?? "none")")
        kill(other.process, SIGKILL)
        try await onLoop {
            _ = try await other.ended()
            // Its death has freed the lock.
            _ = try Journal.open(folder)
        }
    }

    @Test func namesSortByTimeAndAreFoundByTheirBeginning() throws {
        let pool = try PoolName("web")
        let early = try store.create(for: pool, at: Timestamp(milliseconds: 1_795_284_000_000))
        let late = try store.create(for: pool, at: Timestamp(milliseconds: 1_795_284_001_000))
        for folder in [late, early] { try Files.create(folder.journal, with: []) }
        #expect(early.id.hasPrefix("20261121T") && early.id.dropFirst(15).hasPrefix("Z-web-"), "\(early.id)")
        #expect(try store.folders() == [early, late])
        #expect(try store.folder(String(early.id.prefix(16)) == early.id.prefix(16) ? early.id : "") == early)
        #expect(try store.folder(String(early.id.dropLast(5))) == early)
        let unknown = #expect(throws: Failure.self) { try store.folder(early.id.replacingLast("x")) }
        #expect(unknown?.message.contains("did you mean '") == true, "\(unknown.map(\.message) ?? "")")
        let ambiguous = #expect(throws: Failure.self) { try store.folder("2026") }
        #expect(ambiguous?.code == .badUsage)
    }

    @Test func aStoreThatWasNeverMadeHasNone() throws {
        #expect(try store.folders() == [])
    }

    private func isMounted(_ path: String) async throws -> Bool {
        try await onLoop {
            let child = try ChildProcess(starting: ["mount", "-t", "tmpfs", "-o", "size=16k", "none", path], output: nil)
            return try await child.ended() == .exited(status: 0)
        }
    }
}

extension String {
    fileprivate func replacingLast(_ text: String) -> String { dropLast() + text }
}
