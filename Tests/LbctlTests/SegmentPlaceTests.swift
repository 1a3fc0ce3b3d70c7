// Where the statistics lie, and what `top` takes on its command line. Fault: an operator who is told that something is
// missing, and not what.
import ArgumentParser
import ControlProtocol
import SystemCalls
import TestSupport
import Testing

@testable import lbctl

@Suite struct SegmentPlaceTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func write(_ name: String, _ text: String) throws { try Files.replace(folder.file(name), with: Array(text.utf8)) }

    @Test func theFileBesideTheSocketNamesIt() throws {
        try write("lbd.sock.statistics", "/dev/shm/lbd-1\n")
        try write("statistics", "/dev/shm/lbd-2\n")
        #expect(try SegmentPlace.control(folder.file("lbd.sock")).path() == "/dev/shm/lbd-1")
        #expect(try SegmentPlace.stateDirectory(folder.path).path() == "/dev/shm/lbd-2")
        #expect(try SegmentPlace.segment("/x/y").path() == "/x/y")
    }

    @Test func whatIsMissingIsNamed() throws {
        let control = #expect(throws: Failure.self) { try SegmentPlace.control(folder.file("lbd.sock")).path() }
        #expect(control?.code == .noAnswer && control?.message.contains("\(folder.file("lbd.sock.statistics")) is not there") == true)
        let directory = #expect(throws: Failure.self) { try SegmentPlace.stateDirectory(folder.file("run")).path() }
        #expect(directory?.code == .noAnswer && directory?.message.contains("'state-directory'") == true)
        try write("statistics", "")
        let empty = #expect(throws: Failure.self) { try SegmentPlace.stateDirectory(folder.path).path() }
        #expect(empty?.code == .noAnswer && empty?.message.contains("Invalid argument") == true)
    }

    @Test func aSegmentThatHasGoneIsNoBadOne() throws {
        try write("notes.txt", "hello")
        let gone = #expect(throws: Failure.self) { try SegmentPlace.segment(folder.file("none")).look() }
        #expect(gone?.code == .noAnswer && gone?.message.contains("is not there") == true)
        let bad = #expect(throws: Failure.self) { try SegmentPlace.segment(folder.file("notes.txt")).look() }
        #expect(bad?.code == .failed && bad?.message.contains("no statistics segment") == true)
    }

    @Test func whereIsOneOfThree() throws {
        let places = { (words: [String]) in try #require(try Lbctl.parseAsRoot(["top"] + words) as? TopCommand).places }
        #expect(try places(["--control", "a", "--control", "b"]) == [.control("a"), .control("b")])
        #expect(try places(["--control", "a", "--segment", "s"]) == [.segment("s")])
        #expect(try places(["web", "--state-directory", "d", "--sort", "connect-time", "--once"]) == [.stateDirectory("d")])
    }

    @Test(arguments: [
        ["top", "web/web-1"], ["top", "--interval", "50ms"], ["top", "--interval", "2h"], ["top", "--sort", "age"], ["top", "--limit", "-1"],
        ["top", "--segment", "a", "--state-directory", "b"], ["top", "--segment", ""], ["top", "web", "api"],
    ])
    func badUsageExits64(words: [String]) {
        let error = #expect(throws: (any Error).self) { try Lbctl.parseAsRoot(words) }
        if let error { #expect(Lbctl.exitCode(for: error).rawValue == 64) }
    }
}
