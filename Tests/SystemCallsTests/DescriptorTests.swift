// One owner, one close. Faults: a descriptor that leaks, or one closed twice, which closes somebody else's.
import Glibc
import SystemCalls
import TestSupport
import Testing

struct DescriptorTests {
    @Test func isClosedWhenItsOwnerEnds() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("a")
        do {
            let first = try Files.open(path, O_RDWR | O_CREAT, 0o600)
            let second = try Files.open(path, O_RDONLY)
            #expect(try OpenDescriptors.count(of: path) == 2)
            _ = (first.number, second.number)
        }
        #expect(try OpenDescriptors.count(of: path) == 0)
    }

    @Test func releasedIsNotClosed() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("a")
        let number = try Files.open(path, O_RDWR | O_CREAT, 0o600).release()
        #expect(try OpenDescriptors.count(of: path) == 1)
        // Whoever took it closes it; the second close fails, so nobody had done so before or does after.
        #expect(close(number) == 0)
        #expect(try OpenDescriptors.count(of: path) == 0)
    }

    @Test func isClosedWhereAnErrorIsThrown() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("a")
        try Files.replace(path, with: [1, 2, 3])
        #expect(throws: SystemError.self) { try Files.read(path, bytesMax: 2) }
        #expect(try OpenDescriptors.count(of: path) == 0)
    }
}

struct WakeupTests {
    @Test func manySignalsAreOneWakeup() throws {
        let wakeup = try Wakeup()
        #expect(!isReadable(wakeup.number, within: 0))
        for _ in 0..<1000 { wakeup.signal() }
        #expect(isReadable(wakeup.number))
        wakeup.clear()
        #expect(!isReadable(wakeup.number, within: 0))
        wakeup.clear()
        wakeup.signal()
        #expect(isReadable(wakeup.number))
    }
}

struct SystemErrorTests {
    @Test func words() {
        #expect(SystemError("connect", ECONNREFUSED, on: "127.0.0.1:80").description == "connect 127.0.0.1:80: Connection refused")
        #expect(SystemError("eventfd", EMFILE).description == "eventfd: Too many open files")
        #expect(SystemError("open", ENOENT).isMissingFile && !SystemError("open", EACCES).isMissingFile)
    }
}
