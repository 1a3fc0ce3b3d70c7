// How a pool's backends are restarted, as the balancer's configuration says it and rollouts read it.
import Model

package struct RestartReport: Codable, Equatable, Sendable {
    /// Program and arguments, with placeholders; empty where another of the ways is taken.
    package var command: [String]
    package var timeout: Double
    /// Which of the ways it is; absent: the command.
    package var shell: String?
    package var systemd: String?
    /// Of systemd's unit.
    package var host: String?
    package var pause: String?
    package var version: [String]?
    package var rollback: [String]?

    package init(command: [String], timeout: Double) {
        self.command = command
        self.timeout = timeout
    }

    package init(_ restart: RestartConfiguration) {
        self.init(command: restart.command ?? [], timeout: restart.timeout.inSeconds)
        switch restart.way {
        case .command: break
        case .shell(let text): shell = text
        case .systemd(let unit, let host): (systemd, self.host) = (unit, host)
        case .pause(let text): pause = text
        }
        version = restart.version
        rollback = restart.rollback
    }

    package var way: RestartTemplate {
        if let pause { return .pause(pause) }
        if let systemd { return .systemd(unit: systemd, host: host) }
        if let shell { return .shell(shell) }
        return .command(command)
    }
}
