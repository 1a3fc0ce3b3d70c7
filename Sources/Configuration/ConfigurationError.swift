// What is wrong with a configuration file, where, and what would be right.
import Model

package struct ConfigurationError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The file's name as the operator gave it.
    package let file: String
    /// From 1, as are columns, which count characters.
    package let line: Int
    package let column: Int
    /// One line.
    package let message: String
    /// Of an option that does nothing as things stand: its key, from the listener or pool on. Without it all is well.
    var idle: String?

    package var description: String { "\(file):\(line):\(column): \(message)" }
}

/// Everything that is wrong with a file, in the file's order; never empty.
package struct ConfigurationErrors: Error, Equatable, Sendable, CustomStringConvertible {
    package let errors: [ConfigurationError]

    /// One line per error.
    package var description: String { errors.map(\.description).joined(separator: "\n") }
}

/// What loading has found wrong so far, and the folder that its relative paths start from.
struct Findings {
    let file: String
    /// Absolute.
    let folder: String
    private var errors: [ConfigurationError] = []

    init(file: String, folder: String) {
        self.file = file
        self.folder = folder
    }

    mutating func add(_ place: Place, _ message: String) {
        errors.append(ConfigurationError(file: file, line: place.line, column: place.column, message: message))
    }

    /// `idle`: the option that does nothing; see `ConfigurationError`.
    mutating func add(_ place: Place, idle key: String, _ message: String) {
        errors.append(ConfigurationError(file: file, line: place.line, column: place.column, message: message, idle: key))
    }

    mutating func add(_ error: YamlError) { add(error.place, error.message) }

    var isEmpty: Bool { errors.isEmpty }

    var inOrder: ConfigurationErrors {
        ConfigurationErrors(errors: errors.sorted { ($0.line, $0.column) < ($1.line, $1.column) })
    }
}

/// `a`, `a or b`, `a, b or c`.
func alternatives(_ words: [String]) -> String {
    guard let last = words.last, words.count > 1 else { return words.first ?? "" }
    return words.dropLast().joined(separator: ", ") + " or " + last
}

/// `; did you mean 'web'?`, or nothing when no candidate is near.
func suggestion(for text: String, among candidates: some Sequence<String>) -> String {
    text.nearest(among: candidates).map { "; did you mean '\($0)'?" } ?? ""
}
