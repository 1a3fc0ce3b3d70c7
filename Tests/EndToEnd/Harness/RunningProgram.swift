// One started process: its outputs in files, its end awaited, its whole group ended at last.
import Foundation
import Glibc
import Model
import Synchronization
import SystemCalls
import Testing

/// How a program ended and what it said.
struct ProgramEnd: CustomStringConvertible {
    let name: String
    let end: ProcessEnd
    let output: String
    let errors: String

    /// nil where a signal ended it.
    var status: Int32? {
        switch end {
        case .exited(let status): status
        case .killed: nil
        }
    }

    /// Both outputs, for looking up words wherever they stand.
    var text: String { output + errors }

    var description: String { "\(name): \(end)\n--- output\n\(output)--- errors\n\(errors)" }
}

final class RunningProgram: Sendable {
    let name: String
    let process: pid_t
    private let outputPath: String
    private let errorsPath: String
    private let child: ChildProcess
    private let known = Mutex<ProcessEnd?>(nil)

    /// Starts `arguments[0]` in `folder`. `prelude`: shell commands before it, such as `ulimit -n 64`.
    init(_ arguments: [String], name: String, in folder: String, prelude: String = ":") throws {
        self.name = name
        outputPath = "\(folder)/\(name).out"
        errorsPath = "\(folder)/\(name).err"
        let program = arguments[0].contains("/") ? arguments[0] : try Installed.program(arguments[0])
        let output = try Files.open(outputPath, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        let shell = "cd \"$1\" && exec 2>\"$2\" && shift 2 && \(prelude) && exec \"$@\""
        child = try ChildProcess(
            starting: ["sh", "-c", shell, "sh", folder, errorsPath, program] + arguments.dropFirst(), output: output.number)
        process = child.process
    }

    var output: String { RunningProgram.text(of: outputPath) }
    var errors: String { RunningProgram.text(of: errorsPath) }

    /// What a sanitizer found, where the program was built with one.
    var sanitizerReport: Substring? {
        let errors = errors
        guard Scale.isSanitized, let start = errors.firstRange(of: /(ERROR|WARNING): [A-Za-z]+Sanitizer/) else { return nil }
        return errors[start.lowerBound...].prefix(8000)
    }

    func isRunning() throws -> Bool { try ended() == nil }

    func signal(_ number: Int32) throws {
        guard kill(process, number) == 0 else { throw SystemError("kill", errno, on: name) }
    }

    /// Waits for the end.
    @discardableResult
    func end(within limit: Duration = .seconds(30), at location: SourceLocation = #_sourceLocation) throws -> ProgramEnd {
        let end = try eventually(within: limit, "the end of \(name); it said:\n\(output)\(errors)", at: location) { try ended() }
        return ProgramEnd(name: name, end: end, output: output, errors: errors)
    }

    /// SIGKILL to it and its group, and waits until it is reaped.
    func destroy() throws {
        guard try isRunning() else { return }
        try child.signalGroup(SIGKILL)
        try end()
    }

    private func ended() throws -> ProcessEnd? {
        try known.withLock { known in
            if known == nil { known = try child.end() }
            return known
        }
    }

    private static func text(of path: String) -> String {
        do { return String(decoding: try Files.read(path, bytesMax: 256 << 20), as: UTF8.self) } catch { return "(\(error))" }
    }
}
