// One test's workplace: a folder of its own, and everything started in it ends with the test.
import Foundation
import Glibc
import Model
import Statistics
import Synchronization
import SystemCalls
import Testing

final class Lab: Sendable {
    /// The workplace of the test that runs in this task.
    @TaskLocal private static var ofThisTest: Lab?

    static var current: Lab {
        guard let lab = ofThisTest else { preconditionFailure("the test's suite lacks the trait .lab") }
        return lab
    }

    let folder: String
    private let programs = Mutex<[RunningProgram]>([])
    private let endings = Mutex<[@Sendable () -> Void]>([])
    private let evidenceShown = Atomic(false)
    private static let number = Atomic(0)
    private static let removedLeftovers: Void = removeLeftovers()

    /// Short, because a Unix socket's path has at most 107 bytes.
    private static let prefix = "/tmp/sluice-test-"

    private init() throws {
        _ = Lab.removedLeftovers
        let number = Lab.number.add(1, ordering: .relaxed).newValue
        folder = "\(Lab.prefix)\(getpid())-\(number)"
        try Files.makeFolder(folder)
    }

    /// Runs a test in a lab of its own, and clears up whatever came of it.
    static func with(_ test: @Sendable () async throws -> Void) async throws {
        let lab = try Lab()
        defer { lab.clear() }
        try await $ofThisTest.withValue(lab) { try await test() }
    }

    // MARK: Programs and files

    /// Starts a program whose working folder is the lab's.
    func start(_ arguments: [String], name: String? = nil, prelude: String = ":") throws -> RunningProgram {
        let count = programs.withLock { $0.count }
        let name = "\(count)-" + (name ?? URL(fileURLWithPath: arguments[0]).lastPathComponent)
        let program = try RunningProgram(arguments, name: name, in: folder, prelude: prelude)
        programs.withLock { $0.append(program) }
        return program
    }

    /// Starts a program and waits for its end.
    @discardableResult
    func run(
        _ arguments: [String], within limit: Duration = .seconds(30), prelude: String = ":",
        at location: SourceLocation = #_sourceLocation
    ) throws -> ProgramEnd {
        try start(arguments, prelude: prelude).end(within: limit, at: location)
    }

    func path(_ name: String) -> String { "\(folder)/\(name)" }

    /// Writes a file into the lab, with the folders above it; its path.
    @discardableResult
    func write(_ name: String, _ content: [UInt8]) throws -> String {
        try Files.makeFolder(Files.folder(of: path(name)))
        let file = try Files.open(path(name), O_WRONLY | O_CREAT | O_TRUNC, 0o755)
        try Files.write(content, to: file.number, on: name)
        return path(name)
    }

    @discardableResult
    func write(_ name: String, _ content: String) throws -> String { try write(name, Array(content.utf8)) }

    /// `action` runs when the test ends; the last added first.
    func atEnd(_ action: @escaping @Sendable () -> Void) { endings.withLock { $0.append(action) } }

    // MARK: Clearing up

    /// The ends of all error outputs, once: with a test's first failure.
    func evidence() -> String? {
        guard !evidenceShown.exchange(true, ordering: .relaxed) else { return nil }
        let parts = programs.withLock { $0 }.compactMap { program -> String? in
            let lines = program.errors.split(separator: "\n").suffix(60)
            return lines.isEmpty ? nil : "--- \(program.name) (pid \(program.process)) said last:\n" + lines.joined(separator: "\n")
        }
        return parts.isEmpty ? nil : parts.joined(separator: "\n")
    }

    private func clear() {
        for action in endings.withLock({ $0 }).reversed() { action() }
        for program in programs.withLock({ $0 }) {
            do { try program.destroy() } catch { Issue.record(error, "while the test was cleared up") }
            if let report = program.sanitizerReport { Issue.record("\(program.name): \(report)") }
        }
        Lab.removeFolder(folder)
    }

    /// Kills what still works in the folder (daemons that left their group too), then removes it.
    private static func removeFolder(_ folder: String) {
        do {
            try eventually(within: .seconds(5), "the end of every process in \(folder)") {
                let left = ProcessTable.working(in: folder)
                for process in left { kill(process, SIGKILL) }
                return left.isEmpty
            }
            removeSegments(recordedIn: folder)
            try FileManager.default.removeItem(atPath: folder)
        } catch { Issue.record(error, "while \(folder) was cleared up") }
    }

    /// What an lbd that was killed has left in memory, for its next start.
    private static func removeSegments(recordedIn folder: String) {
        guard let files = FileManager.default.enumerator(atPath: folder) else { return }
        for case let file as String in files where file.hasSuffix("statistics") {
            do { _ = try SegmentFile.removeLeft(record: "\(folder)/\(file)") } catch { continue }
        }
    }

    /// What a test run that crashed has left: labs whose process is gone.
    private static func removeLeftovers() {
        var names: [String] = []
        do { names = try FileManager.default.contentsOfDirectory(atPath: "/tmp") } catch {
            Issue.record(error, "while leftovers of crashed runs were looked for")
        }
        for name in names where "/tmp/\(name)".hasPrefix(prefix) {
            let owner = "/tmp/\(name)".dropFirst(prefix.count).prefix { $0 != "-" }
            if let process = pid_t(owner), !ProcessTable.isAlive(process) { removeFolder("/tmp/\(name)") }
        }
    }
}
