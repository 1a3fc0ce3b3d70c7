// What every record of an answer can do: be one JSON object a line, or lines for people, from the same values.

/// In JSON its keys are camelCase, times RFC 3339, durations seconds.
package protocol Record: Codable, Sendable {
    /// As people read it over the socket.
    var lines: [String] { get }
}

extension Record where Self: Warning {
    /// The warning is a line of its own.
    fileprivate func lines(_ text: String) -> [String] { [text] + (warning.map { ["warning: \($0)"] } ?? []) }
}

/// One verb, as the answer to `help`.
package struct HelpRecord: Record, Equatable {
    package var verb: String
    package var arguments: String
    package var doc: String

    package init(_ verb: Verb) {
        self.verb = verb.name
        arguments = verb.arguments
        doc = verb.doc
    }

    package var lines: [String] { ["\(verb)\(arguments.isEmpty ? "" : " ")\(arguments)  -- \(doc)"] }
}

extension StatusReport: Record {
    package var lines: [String] { StatusTable.lines(self) }
}

extension DrainRecord: Record {
    package var lines: [String] { lines(text) }
}

extension WishRecord: Record {
    package var lines: [String] { lines(text) }
}

extension ProbeRecord: Record {
    package var lines: [String] { [text] }
}

extension EventRecord: Record {
    package var lines: [String] { [line] }
}

extension ConfigCheckRecord: Record {}

extension SharesRecord: Record {
    package var lines: [String] { [text] }
}

extension MeasureReport: Record {}
