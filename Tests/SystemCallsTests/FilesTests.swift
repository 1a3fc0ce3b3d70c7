// Small files. Faults: a state file that a crash or a reader finds half written, a folder name that never ends.
import Glibc
import SystemCalls
import TestSupport
import Testing

private func failure(_ body: () throws -> Void) -> Int32? {
    do { try body() } catch let error as SystemError { return error.errorNumber } catch { return -1 }
    return nil
}

struct FilesTests {
    @Test func readsWhatWasWrittenAndNoMoreThanTheBound() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("a")
        let content = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        try Files.replace(path, with: content)
        #expect(try Files.read(path, bytesMax: content.count) == content)
        #expect(failure { _ = try Files.read(path, bytesMax: content.count - 1) } == EFBIG)
        #expect(failure { _ = try Files.read(folder.path, bytesMax: 10) } == EISDIR)
        #expect(failure { _ = try Files.read(folder.file("none"), bytesMax: 10) } == ENOENT)
    }

    /// A pipe in the file's place must not hang the reader.
    @Test func aPipeIsReadWithoutWaiting() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("pipe")
        #expect(mkfifo(path, 0o600) == 0)
        #expect(try Files.read(path, bytesMax: 10) == [])
    }

    /// While one thread replaces, every read is whole: all of one content, never a mix or a part.
    @Test func replacingIsAllOrNothing() async throws {
        let folder = try TemporaryFolder()
        let path = folder.file("wishes")
        let contents = (UInt8(0)..<4).map { [UInt8](repeating: $0, count: 10_000 + Int($0) * 1000) }
        try Files.replace(path, with: contents[0])
        try await onThread {
            try await onThreads(2) { index in
                for round in 0..<100 {
                    if index == 0 {
                        try Files.replace(path, with: contents[round % 4])
                    } else {
                        let read = try Files.read(path, bytesMax: 100_000)
                        #expect(contents.contains(read))
                    }
                }
            }
        }
        #expect(failure { _ = try Files.read(path + ".new", bytesMax: 1) } == ENOENT)
    }

    @Test func whatCannotBeReplacedStays() throws {
        let folder = try TemporaryFolder()
        try Files.makeFolder(folder.file("a/b"))
        #expect(failure { try Files.replace(folder.file("a"), with: [1]) } == EISDIR)
        #expect(failure { try Files.replace(folder.file("none/a"), with: [1]) } == ENOENT)
        try Files.makeFolder(folder.file("a/b"))
    }

    @Test func lockExcludesUntilItsEnd() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("lock")
        do {
            let held = try Files.lock(path)
            #expect(failure { _ = try Files.lock(path) } == EAGAIN)
            _ = held.number
        }
        _ = try Files.lock(path)
    }

    @Test func foldersAreMadeWithThoseAbove() throws {
        let folder = try TemporaryFolder()
        try Files.makeFolder(folder.file("a/b/c/"))
        try Files.makeFolder(folder.file("a//b/d"))
        try Files.replace(folder.file("a/b/c/x"), with: [])
        try Files.replace(folder.file("a/b/d/x"), with: [])
        #expect(failure { try Files.makeFolder(folder.file("a/b/c/x")) } == ENOTDIR)
        #expect(failure { try Files.makeFolder(folder.file("a/b/c/x/y")) } == ENOTDIR)
    }

    /// ENOENT for a name without a folder above it: this went round for ever once.
    @Test func anEmptyFolderNameIsAnError() {
        #expect(failure { try Files.makeFolder("") } == ENOENT)
    }

    @Test func removingTwiceIsNoError() throws {
        let folder = try TemporaryFolder()
        try Files.replace(folder.file("a"), with: [])
        try Files.remove(folder.file("a"))
        try Files.remove(folder.file("a"))
        #expect(failure { try Files.remove(folder.path) } == EISDIR)
    }

    @Test(arguments: [("/a/b", "/a"), ("/a", "/"), ("a", "."), ("a/b/c", "a/b"), ("", ".")])
    func folderOfAPath(_ path: String, _ folder: String) {
        #expect(Files.folder(of: path) == folder)
    }

    @Test(arguments: [("/x", "/etc", "/x"), ("x", "/etc", "/etc/x"), ("run/x", "/", "/run/x")])
    func resolving(_ path: String, _ folder: String, _ whole: String) {
        #expect(Files.resolve(path, in: folder) == whole)
    }
}

struct TemporaryFileTests {
    @Test func keepsTheEndOfWhatWasWritten() throws {
        let file = try TemporaryFile()
        #expect(try file.tail(bytesMax: 10) == [])
        try Files.write(Array("hello world".utf8), to: file.number)
        #expect(try file.tail(bytesMax: 5) == Array("world".utf8))
        #expect(try file.tail(bytesMax: 100) == Array("hello world".utf8))
    }
}

struct ProcessLockTests {
    /// That another process is kept out needs another process: the end-to-end tests start lbd twice.
    @Test func nobodyHoldsWhatIsNotThere() throws {
        let folder = try TemporaryFolder()
        #expect(try ProcessLock.holder(of: folder.file("none")) == nil)
        do { _ = try ProcessLock(folder.file("lock")) }
        #expect(try ProcessLock.holder(of: folder.file("lock")) == nil)
    }
}
