// How the backends of a pool are restarted, before the backend's name stands in it: a command, a line for a shell, a unit, a person.

/// Its texts may hold placeholders (see CommandTemplate).
package enum RestartTemplate: Equatable, Sendable {
    /// Program and arguments; no shell reads them.
    case command([String])
    /// A text for `sh -c`.
    case shell(String)
    /// By systemctl; `host`: of its --host, over ssh.
    case systemd(unit: String, host: String?)
    /// A person does it, and says when it is done; the text tells him what to do.
    case pause(String)

    /// Program and arguments, placeholders and all; nil where no program of the operator's is run.
    package var command: [String]? {
        switch self {
        case .command(let words): words
        case .shell(let text): ["sh", "-c", text]
        case .systemd, .pause: nil
        }
    }

    /// Throws where a placeholder is none, or has no value for this backend. A shell's line has what is filled in quoted
    /// where it needs to be: a path with blanks stays one word.
    package func filled(for backend: BackendReference, at address: Endpoint) throws(TemplateError) -> RestartTemplate {
        func text(_ template: String, quotes: Bool = false) throws(TemplateError) -> String {
            try CommandTemplate([template]).filled(for: backend, at: address, quotes: quotes)[0]
        }
        switch self {
        case .command(let words): return .command(try CommandTemplate(words).filled(for: backend, at: address))
        case .shell(let line): return .shell(try text(line, quotes: true))
        case .systemd(let unit, let host):
            guard let host else { return .systemd(unit: try text(unit), host: nil) }
            return .systemd(unit: try text(unit), host: try text(host))
        case .pause(let task): return .pause(try text(task))
        }
    }
}
