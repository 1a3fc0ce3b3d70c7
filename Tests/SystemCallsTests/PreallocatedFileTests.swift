// A file with room at its end. Faults: an addition that makes the file grow (and wait for the journal), or that lands in
// somebody else's file of the same name.
import Glibc
import SystemCalls
import TestSupport
import Testing

struct PreallocatedFileTests {
    private func content(_ path: String) throws -> String { String(decoding: try Files.read(path, bytesMax: 1000), as: UTF8.self) }

    @Test func additionsTakeTheRoomAndNothingElse() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/a"
        let file = PreallocatedFile(path: path)
        #expect(!file.hasRoom(for: 1), "nothing stands there yet")
        try file.replace(with: Array("one\n".utf8), room: 8)
        try file.append(Array("two\n".utf8))
        try file.sync()
        #expect(try content(path) == "one\ntwo\n    ")
        #expect(file.hasRoom(for: 4) && !file.hasRoom(for: 5))
        try file.replace(with: Array("three\n".utf8), room: 2)
        #expect(try content(path) == "three\n  ")
        #expect(file.hasRoom(for: 2) && !file.hasRoom(for: 3))
    }

    @Test("a file that was replaced or removed is left alone, and nothing is added until it is written whole", arguments: [true, false])
    func another(isReplaced: Bool) throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/a"
        let file = PreallocatedFile(path: path)
        try file.replace(with: Array("ours\n".utf8), room: 100)
        if isReplaced { try Files.replace(path, with: Array("another".utf8)) } else { try Files.remove(path) }
        do {
            try file.append(Array("more\n".utf8))
            Issue.record("it was added nowhere")
        } catch {
            #expect(error.isMissingFile)
        }
        if isReplaced { #expect(try content(path) == "another") } else { #expect(access(path, F_OK) != 0) }
        #expect(!file.hasRoom(for: 1))
    }
}
