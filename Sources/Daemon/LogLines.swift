// The log as swift-log's loggers see it.
import Logging
import Model

/// swift-log's handler: which lines are logged, and how they come to be a `LogLine`.
package struct LogLines: LogHandler {
    /// Keys of a logger's metadata.
    static let subject = "subject"
    static let subsystem = "subsystem"

    private let log: Log
    package var metadata: Logger.Metadata = [:]

    package init(_ log: Log) { self.log = log }

    /// The configuration's, for all loggers: one that sets its own sets nothing.
    package var logLevel: Logger.Level {
        get { log.leastLevel }
        nonmutating set {}
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        let text = { (key: String) in (event.metadata?[key] ?? metadata[key]).map { "\($0)" } }
        let subsystem = text(LogLines.subsystem).flatMap(Subsystem.init) ?? .process
        guard log.logs(event.level, of: subsystem) else { return }
        log.write(LogLine(level: event.level, subsystem: subsystem, subject: text(LogLines.subject) ?? "lbd", text: "\(event.message)"))
    }
}

extension Logger {
    /// The same, for lines about another part of lbd.
    func about(_ subsystem: Subsystem) -> Logger {
        var logger = self
        logger[metadataKey: LogLines.subsystem] = "\(subsystem.rawValue)"
        return logger
    }
}
