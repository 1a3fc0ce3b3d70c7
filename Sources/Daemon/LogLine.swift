// One line of the log: how it is written for people, for programs, and for systemd's journal.
import ControlProtocol
import Logging
import Model
import SystemCalls

/// What a line says.
struct LogLine {
    var level: Logger.Level
    var subsystem: Subsystem
    var subject = "lbd"
    var text: String
    /// Of a connection that has ended.
    var access: AccessFields?
}

struct LogForm {
    var format: LogConfiguration.Format
    /// It keeps the time itself, and wants to be told how grave a line is.
    var isForJournal: Bool

    private struct Record: Encodable {
        let time: String
        let level: String
        let subsystem: String
        let subject: String
        let text: String
    }

    /// A record, and in the same object what is known of a connection.
    private struct Whole: Encodable {
        let record: Record
        let access: AccessFields?

        func encode(to encoder: any Encoder) throws {
            try record.encode(to: encoder)
            try access?.encode(to: encoder)
        }
    }

    /// With its end. Not longer than what goes to a pipe in one piece: where the text is too long it is cut.
    func bytes(_ line: LogLine) -> [UInt8] {
        let (subject, text) = (line.subject.escapedControls, line.text.escapedControls)
        var room = LineOutput.pieceMax
        while true {
            var bytes: [UInt8] = isForJournal ? Array("<\(line.level.priority)>".utf8) : []
            append(line, subject.cut(room), text.cut(room), to: &bytes)
            bytes.append(0x0A)
            guard bytes.count > LineOutput.pieceMax, room > 64 else { return bytes }
            room /= 2
        }
    }

    private func append(_ line: LogLine, _ subject: String, _ text: String, to bytes: inout [UInt8]) {
        switch format {
        case .text:
            let time = isForJournal ? "" : Clocks.calendar().rfc3339 + " "
            bytes += "\(time)\(line.level.rawValue) \(subject) \(text)".utf8
            if let access = line.access { bytes += " \(access.text)".utf8 }
        case .json:
            let record = Record(
                time: Clocks.calendar().rfc3339, level: line.level.rawValue, subsystem: line.subsystem.rawValue, subject: subject, text: text)
            JSONText.append(Whole(record: record, access: line.access), to: &bytes)
        }
    }

    /// That lines were lost; `failure`: the output did not take them, in words.
    func notice(_ lines: Int, _ failure: String?) -> [UInt8] {
        let why = failure.map { "the log could not be written: \($0)" } ?? "whoever reads the log is too slow"
        return bytes(LogLine(
            level: .warning, subsystem: .process, text: "\(counted(lines, "line")) \(lines == 1 ? "was" : "were") dropped: \(why)"))
    }
}

extension Logger.Level {
    /// syslog(3)'s number for it.
    fileprivate var priority: Int {
        switch self {
        case .trace, .debug: 7
        case .info: 6
        case .notice: 5
        case .warning: 4
        case .error: 3
        case .critical: 2
        }
    }
}

extension String {
    /// At most so many bytes.
    fileprivate func cut(_ bytesMax: Int) -> String {
        guard utf8.count > bytesMax else { return self }
        var end = utf8.index(startIndex, offsetBy: bytesMax)
        // Not within a scalar.
        while end > startIndex, utf8[end] & 0xC0 == 0x80 { end = utf8.index(before: end) }
        return self[..<end] + "..."
    }
}
