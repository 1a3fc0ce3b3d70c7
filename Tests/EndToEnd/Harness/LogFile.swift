// What lbd has logged, a line at a time: whole ones, and of JSON lines what they say.
import Foundation
import Glibc
import Model
import SystemCalls
import Testing

/// An access line.
struct AccessLine: Decodable {
    var id: String?
    let listener: String
    var client: String?
    var pool: String?
    var backend: String?
    let bytesToBackend: Int
    let bytesToClient: Int
    var connect: Double?
    var firstByte: Double?
    var duration: Double?
    let by: Culprit
    let reason: EndReason

    var ending: String { "\(by.rawValue) \(reason.rawValue)" }
}

private struct Head: Decodable {
    let level: String
    let subsystem: Subsystem
    let text: String
}

enum LogFile {
    static func text(_ path: String) throws -> String {
        try #require(String(validating: Files.read(path, bytesMax: 64 << 20), as: UTF8.self), "the log is not UTF-8")
    }

    static func lines(_ text: String) -> [Substring] { text.split(separator: "\n") }

    /// Of JSON lines. Each has to be one record, and the last to have its end.
    static func access(_ text: String) throws -> [AccessLine] {
        #expect(text.isEmpty || text.hasSuffix("\n"))
        return try lines(text).compactMap { line in
            let data = Data(line.utf8)
            let head = try JSONDecoder().decode(Head.self, from: data)
            return head.subsystem == .access && head.level == "info" ? try JSONDecoder().decode(AccessLine.self, from: data) : nil
        }
    }

    /// Lines that do not begin as each does in text.
    static func torn(_ text: String) -> [Substring] {
        lines(text).filter { $0.firstMatch(of: #/^20\d\d-\d\d-\d\dT[0-9:.]+Z (debug|info|warning|error|critical) /#) == nil }
    }

    /// Lines that were dropped, as the log itself says.
    static func dropped(_ text: String, _ why: String) -> Int {
        lines(text).reduce(0) { sum, line in
            guard let match = line.firstMatch(of: #/(\d+) lines? (was|were) dropped: /#), line.contains(why) else { return sum }
            return sum + (Int(match.1) ?? 0)
        }
    }
}
