// The files of one backend in the state folder: where they lie, and what stands in them.
import Glibc
import Model
import SystemCalls

/// A file of ours that holds something else than it should.
struct BackendFileError: Error, Equatable, CustomStringConvertible {
    let description: String
}

struct BackendFiles: Equatable, Sendable {
    let folder: String
    let name: BackendName

    /// Locked while the backend lives.
    var lock: String { path("lock") }
    /// What the backend says.
    var log: String { path("log") }
    /// Where a starting backend tells its starter that it has its lock and its port.
    var announcement: String { path("start") }
    private var generation: String { path("generation") }
    private var port: String { path("port") }

    private func path(_ suffix: String) -> String { "\(folder)/\(name).\(suffix)" }

    /// Counts this start, and says the how many-th it is.
    func nextGeneration() throws -> Int {
        let next = try number(in: generation, atMost: Int.max - 1).map { $0 + 1 } ?? 1
        try write(next, to: generation)
        return next
    }

    /// The port that the backend listened on last.
    func lastPort() throws -> UInt16? {
        try number(in: port, atMost: Int(UInt16.max)).map { UInt16($0) }
    }

    func record(port number: UInt16) throws {
        try write(Int(number), to: port)
    }

    private func write(_ number: Int, to file: String) throws {
        try Files.replace(file, with: Array("\(number)\n".utf8))
    }

    /// Nil where the file is missing.
    private func number(in file: String, atMost bound: Int) throws -> Int? {
        let content: [UInt8]
        do {
            content = try Files.read(file, bytesMax: 32)
        } catch {
            guard error.errorNumber == ENOENT else { throw error }
            return nil
        }
        let text = String(decoding: content, as: UTF8.self)
        guard text.last == "\n", let number = Int(text.dropLast()), (0...bound).contains(number) else {
            throw BackendFileError(description: "\(file): '\(text.escapedForOneLine)' is no number from 0 to \(bound); remove the file")
        }
        return number
    }
}
