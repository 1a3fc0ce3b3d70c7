// What the commands about the configuration answer.
import Model

/// One change. `old` and `new` as the file spells them, defaults filled in; absent: it has none.
package struct ChangeRecord: Codable, Equatable, Sendable {
    package var subject: String
    /// `added`, `removed` or `changed`.
    package var change: String
    /// Of a changed option, from the subject on: `health.interval`.
    package var key: String?
    package var old: String?
    package var new: String?
    /// `at-once`, `at-next-start` or `at-first-start`.
    package var effect: String
    package var text: String

    package init(_ change: ConfigurationChange) {
        subject = change.subject.description
        text = change.text
        effect = ConfigurationEffect.atOnce.rawValue
        switch change.kind {
        case .added(let settings): (self.change, new) = ("added", settings)
        case .removed(let settings): (self.change, old) = ("removed", settings)
        case .changed(let key, let old, let new, let effect):
            (self.change, self.key, self.old, self.new, self.effect) = ("changed", key, old, new, effect.rawValue)
        }
    }
}

/// The answer to everything that changes the configuration, and to `config diff`.
package struct ChangesRecord: Record, Equatable {
    package var changes: [ChangeRecord]
    /// Of the file, each as `FILE:LINE:COLUMN: what is wrong`: then nothing has changed.
    package var errors: [String]
    /// What would not be expected of it.
    package var warnings: [String]

    package init(_ changes: [ConfigurationChange], errors: [String] = [], warnings: [String] = []) {
        self.changes = changes.map(ChangeRecord.init)
        self.errors = errors
        self.warnings = warnings
    }

    package var lines: [String] { findings + warnings.map { "warning: \($0)" } }

    /// Without the warnings, which have a place of their own on a terminal.
    package var findings: [String] {
        guard errors.isEmpty else { return errors }
        return changes.isEmpty ? ["no change"] : changes.map { "\($0.subject): \($0.text)" }
    }
}

/// The answer to `config show`.
package struct ConfigShowRecord: Record, Equatable {
    /// Where it was loaded from.
    package var file: String
    package var yaml: String

    package init(file: String, yaml: String) {
        self.file = file
        self.yaml = yaml
    }

    package var lines: [String] {
        yaml.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
    }
}

/// The answer to `config save`.
package struct ConfigSaveRecord: Record, Equatable {
    package var file: String
    package var bytes: Int
    /// What is lost by it.
    package var lost: String?

    package init(file: String, bytes: Int, lost: String?) {
        self.file = file
        self.bytes = bytes
        self.lost = lost
    }

    package var lines: [String] { ["saved \(file), \(bytes) bytes" + (lost.map { "; \($0)" } ?? "")] }
}

/// A line of a removal that is waited for: at once, and again at every change.
package struct RemovalRecord: Record, Equatable {
    package var subject: String
    /// That still hold it; absent: it is gone.
    package var connections: Int?
    /// Seconds since the command was given.
    package var waited: Double

    package init(subject: String, connections: Int?, waited: Double) {
        self.subject = subject
        self.connections = connections
        self.waited = waited
    }

    package var lines: [String] {
        [connections.map { "\(subject): \(counted($0, "connection")) \($0 == 1 ? "holds" : "hold") it" } ?? "\(subject): gone"]
    }
}
