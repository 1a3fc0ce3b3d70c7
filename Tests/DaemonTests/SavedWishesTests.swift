// Wishes on the disk: whole, then a line for each change. Faults: a change that a restart forgets, a line that the machine
// did not finish and that keeps lbd from starting, a damaged file that is taken for an empty one, a backend that stays
// drained in the file for ever.
import EventLoop
import Glibc
import Model
import SystemCalls
import TestSupport
import Testing

@testable import Daemon

struct SavedWishesTests {
    private static let drained = #"{"a/1":{"wish":"drain","owner":"ann","since":0},"a/2":{"wish":"maintenance"}}"#

    /// What is read of such a file.
    private func read(_ text: String) async throws -> [String: Wish] {
        let folder = try TemporaryFolder()
        try Files.replace(folder.path + "/wishes.json", with: Array(text.utf8))
        let path = folder.path
        return try await onLoop {
            let saved = try SavedWishes(stateDirectory: path).read()
            return Dictionary(uniqueKeysWithValues: saved.map { ($0.key.description, $0.value.wish) })
        }
    }

    @Test func laterLinesWin() async throws {
        let changes = #"{"a/1":null}"# + "\n" + #"{"a/3":{"wish":"drain"},"a/2":{"wish":"ready"}}"# + "\n"
        #expect(try await read(SavedWishesTests.drained + "\n" + changes + "     ") == ["a/2": .ready, "a/3": .drain])
    }

    @Test("a last line that is not whole was never answered", arguments: [#"{"a/1":nu"#, #"  ":null}"#, "{"])
    func torn(rest: String) async throws {
        #expect(try await read(SavedWishesTests.drained + "\n" + rest) == ["a/1": .drain, "a/2": .maintenance])
    }

    /// Fault: two changes were not on the disk yet when the machine went down, and it had taken the second one's sector
    /// first; lbd took its file for damaged and did not start.
    @Test("of changes that the machine did not finish none counts", arguments: [0, 1])
    func unordered(sector: Int) async throws {
        let many = "{" + (3..<50).map { #""a/\#($0)":{"wish":"drain"}"# }.joined(separator: ",") + "}"
        let lines = [SavedWishesTests.drained, many, #"{"a/2":null}"#, ""]
        var bytes = Array(lines.joined(separator: "\n").utf8)
        let begin = lines[0].utf8.count + 1
        #expect(begin < 512 && begin + lines[1].utf8.count > 1024 && bytes.count < 1536)
        // As `PreallocatedFile` leaves it: what was not written is blank.
        for index in max(begin, 512 * sector)..<512 * (sector + 1) { bytes[index] = 0x20 }
        #expect(try await read(String(decoding: bytes, as: UTF8.self) + "   ") == ["a/1": .drain, "a/2": .maintenance])
    }

    @Test("somebody may have written it anew, on several lines")
    func byHand() async throws {
        #expect(try await read("{\n  \"a/1\": { \"wish\": \"drain\" }\n}\n") == ["a/1": .drain])
    }

    @Test("damage is no end of the file", arguments: ["{ garbage", #"{"a/1":nu"# + "\n" + #"{"a/1":null}"#, "{}\n{ garbage\n{}"])
    func damaged(text: String) async throws {
        await #expect(throws: SavedWishesError.self) { try await read(text) }
    }
}
