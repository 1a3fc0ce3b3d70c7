// Words that Sources does without, each with what stands in its place.
import Foundation
import Testing

private struct Ban {
    let word: String
    /// Not as the end of a longer word or of a member's name.
    var isWhole = true
    let instead: String
    /// Targets or files that may.
    var except: [String] = []
}

struct WordTests {
    private static let programs = ["lbd", "lbctl", "quickstart"]
    private static let bans = [
        Ban(word: "try?", instead: "do/catch that says what happens on failure"),
        Ban(word: "try!", instead: "do/catch, or a precondition that says why it cannot fail"),
        Ban(word: "as!", instead: "a type that needs no cast"),
        Ban(word: "fatalError(", instead: "preconditionFailure(\"why this cannot be\")"),
        Ban(word: "Thread.sleep", instead: "pause(for:)"),
        Ban(word: "usleep(", instead: "pause(for:)"),
        Ban(word: "nanosleep(", instead: "pause(for:)"),
        // `func sleep(until:` is the Clock's own requirement.
        Ban(word: "sleep(", instead: "pause(for:)", except: ["EventLoop/LoopClock"]),
        Ban(word: "Task {", instead: "EventLoop.start, which keeps to the loop's thread"),
        Ban(word: "Task.init", instead: "EventLoop.start"),
        Ban(word: "Task.detached", instead: "EventLoop.start"),
        Ban(word: "@MainActor", isWhole: false, instead: "@ControlPlane"),
        Ban(word: "DispatchQueue", instead: "the control plane, or a worker"),
        Ban(word: "print(", instead: "the log, or an answer", except: programs),
        Ban(word: "default: break", instead: "every case by name, so that a new one is seen"),
        Ban(word: "@unknown default", isWhole: false, instead: "every case by name"),
        Ban(word: "@preconcurrency", isWhole: false, instead: "types that are Sendable"),
        Ban(word: "event_active", instead: "a ready list that the worker continues itself (see Proxy/Round)"),
        Ban(word: "bufferevent_", instead: "raw events (four times the CPU per GB)", except: ["EventLoop/HTTPServer"]),
        Ban(word: "evconnlistener_", instead: "Proxy/Accept (it spins when descriptors run out)", except: ["EventLoop/HTTPServer"]),
    ]
    /// In comments too.
    private static let unfinished = ["TODO", "FIXME", "XXX"]

    @Test func noBannedWord() throws {
        for file in try Tree.swiftFiles(in: "Sources") {
            for ban in WordTests.bans where !ban.except.contains(file.target) && !ban.except.contains(file.name) {
                for place in file.places(of: ban.word, isWhole: ban.isWhole) {
                    Issue.record("\(place): '\(ban.word)'; instead: \(ban.instead)")
                }
            }
        }
    }

    @Test func nothingIsLeftForLater() throws {
        for file in try Tree.swiftFiles(in: "Sources") {
            // mkostemp's pattern is no note.
            let text = file.text.replacingOccurrences(of: "XXXXXX", with: "")
            for word in WordTests.unfinished where text.holds(word, isWhole: true) {
                Issue.record("\(file.path): \(word); do it, or write an issue")
            }
        }
    }

    @Test func wordsAreFoundWholeOnly() {
        #expect("    try? x".holds("try?", isWhole: true))
        #expect(!"    YamlNode.Entry? {".holds("try?", isWhole: true))
        #expect(!"group.addTask { x }".holds("Task {", isWhole: true))
        #expect("fileprint(x); print(y)".holds("print(", isWhole: true))
    }
}
