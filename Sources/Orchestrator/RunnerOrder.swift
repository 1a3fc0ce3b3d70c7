// What a runner is told, what it leaves behind, and how both are written down.
import ControlProtocol
import Model
import SystemCalls

/// One command to run, and how long it may take.
package struct RunnerOrder: Equatable, Sendable {
    package var command: [String]
    /// What tells more about its failure; run after one, its output goes behind the command's. Empty: nothing does.
    package var diagnosis: [String]
    package var timeout: Duration
    /// From SIGTERM to SIGKILL.
    package var grace: Duration

    package init(command: [String], diagnosis: [String] = [], timeout: Duration, grace: Duration = .seconds(5)) {
        self.command = command
        self.diagnosis = diagnosis
        self.timeout = timeout
        self.grace = grace
    }

    /// As arguments: `timeout=120000 grace=5000 diagnosis=2 systemctl status …`.
    var words: [String] {
        ["timeout=\(timeout.wholeMilliseconds)", "grace=\(grace.wholeMilliseconds)", "diagnosis=\(diagnosis.count)"] + diagnosis + command
    }

    /// Nil where they are not what `words` wrote.
    init?(_ words: ArraySlice<String>) {
        var words = words
        func number(_ key: String) -> Int64? {
            guard let word = words.popFirst(), word.hasPrefix(key + "=") else { return nil }
            return Int64(word.dropFirst(key.count + 1))
        }
        guard let timeout = number("timeout"), let grace = number("grace"), let count = number("diagnosis"),
            (0..<Int64(words.count)).contains(count)
        else { return nil }
        diagnosis = Array(words.prefix(Int(count)))
        command = Array(words.dropFirst(Int(count)))
        self.timeout = .milliseconds(timeout)
        self.grace = .milliseconds(grace)
    }
}

/// How a command ended.
package enum CommandEnd: Equatable, Sendable {
    /// Exit status 0.
    case done
    case failed(reason: String)
    /// There was no process of it.
    case notStarted(reason: String)

    /// As the status file holds it.
    var line: String {
        switch self {
        case .done: "done\n"
        case .failed(let reason): "failed " + RequestLine.quoted(String(reason.escapedForOneLine)) + "\n"
        case .notStarted(let reason): "not-started " + RequestLine.quoted(String(reason.escapedForOneLine)) + "\n"
        }
    }

    /// Nil where it is not what `line` wrote.
    init?(line: [UInt8]) {
        let words: [String]
        do throws(LineError) { words = try RequestLine.words(line.last == 0x0A ? line.dropLast() : line) } catch { return nil }
        switch (words.first, words.count) {
        case ("done", 1): self = .done
        case ("failed", 2): self = .failed(reason: words[1])
        case ("not-started", 2): self = .notStarted(reason: words[1])
        default: return nil
        }
    }
}

/// The folder of one command: what its runner writes there, in this order.
struct RunnerFolder: Equatable, Sendable {
    let path: String

    /// Held by the runner from before it begins until it has ended.
    var lock: String { path + "/lock" }
    /// Made exclusively, before the command is started: whoever finds it never starts the command.
    var started: String { path + "/started" }
    /// The command's process, which leads its group.
    var process: String { path + "/process" }
    /// All that the command printed, within the bound.
    var output: String { path + "/output" }
    /// How it ended.
    var status: String { path + "/status" }
    /// What the runner itself has to complain of.
    var complaints: String { path + "/runner.log" }
}

/// The exit status of a runner, for the log: what counts lies in its folder.
enum RunnerExit: Int32 {
    case done = 0
    /// Another runner has the lock.
    case busy = 3
    /// The command was started before.
    case startedBefore = 4
    /// The command was not started: no room, no folder.
    case notBegun = 5
    /// The command has ended, but how could not be written down.
    case notTold = 6
    case badUsage = 64
}
