// The log: one line a record, to standard error, text or JSON.
import ControlProtocol
import Logging
import Model
import Synchronization
import SystemCalls

/// What is logged and how, while lbd runs: one for all loggers.
package final class LogSettings: Sendable {
    private let state: Mutex<LogConfiguration>

    package init(_ configuration: LogConfiguration) { state = Mutex(configuration) }

    var current: LogConfiguration { state.withLock { $0 } }
    func set(_ configuration: LogConfiguration) { state.withLock { $0 = configuration } }
}

/// swift-log's handler. A line is written by one write(2), so that lines of two processes never mix.
package struct LogLines: LogHandler {
    private let settings: LogSettings
    package var metadata: Logger.Metadata = [:]

    package init(_ settings: LogSettings) { self.settings = settings }

    /// The configuration's, for all loggers: one that sets its own sets nothing.
    package var logLevel: Logger.Level {
        get {
            switch settings.current.level {
            case .debug: .debug
            case .info: .info
            case .warning: .warning
            case .error: .error
            }
        }
        nonmutating set {}
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    private struct Record: Encodable {
        let time: String
        let level: String
        let subject: String
        let text: String
    }

    package func log(event: LogEvent) {
        let fields = metadata.merging(event.metadata ?? [:]) { $1 }
        let record = Record(
            time: Clocks.calendar().rfc3339, level: event.level.rawValue,
            subject: fields["subject"].map { "\($0)" } ?? "lbd", text: "\(event.message)")
        let line = switch settings.current.format {
        case .text: "\(record.time) \(record.level) \(record.subject) \(record.text.withoutControls)"
        case .json: JSONText.line(record)
        }
        // Where standard error is gone there is nobody left to tell; traffic goes on.
        do { try Files.write(Array((line + "\n").utf8), to: 2) } catch { return }
    }
}

extension String {
    /// One record stays one line, whatever a name or a banner held.
    fileprivate var withoutControls: String {
        guard unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F }) else { return self }
        return String(String.UnicodeScalarView(unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7F ? "?" : $0 }))
    }
}
