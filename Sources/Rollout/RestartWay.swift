// How one backend is restarted: by a program, by systemd, or by a person.

import Model

package enum RestartWay: Equatable, Sendable {
    /// Program and arguments, run without a shell.
    case command([String])
    /// `systemctl restart UNIT`, here or on another host.
    case systemd(unit: String, host: String?)
    /// A person does what this says, and says when it is done.
    case manual(String)

    package var isManual: Bool {
        switch self {
        case .command, .systemd: false
        case .manual: true
        }
    }

    /// For people, as it could be typed.
    package var text: String {
        switch self {
        case .command(let words): words.map(\.shellQuoted).joined(separator: " ")
        case .systemd(let unit, nil): "systemctl restart \(unit.shellQuoted)"
        case .systemd(let unit, let host?): "systemctl --host \(host.shellQuoted) restart \(unit.shellQuoted)"
        case .manual(let text): "by hand: \(text)"
        }
    }

    /// Throws where a placeholder is none, or has no value for this backend.
    package init(_ template: RestartTemplate, for backend: BackendReference, at address: Endpoint) throws(TemplateError) {
        switch try template.filled(for: backend, at: address) {
        case .command(let words): self = .command(words)
        case .shell(let line): self = .command(["sh", "-c", line])
        case .systemd(let unit, let host): self = .systemd(unit: unit, host: host)
        case .pause(let task): self = .manual(task)
        }
    }
}
