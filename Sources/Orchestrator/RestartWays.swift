// The ways to restart a backend: from what the configuration says to what is carried out.
import EventLoop
import Model
import Rollout
import SystemCalls

extension RestartWay {
    /// What a runner is to do; nil where a person does it.
    package func order(timeout: Duration) -> RunnerOrder? {
        switch self {
        case .command(let words): RunnerOrder(command: words, timeout: timeout)
        case .systemd(let unit, let host):
            // It waits for the end of the job; why that failed only the unit's status tells.
            RunnerOrder(
                command: RestartWay.systemctl(host, ["restart", "--", unit]),
                diagnosis: RestartWay.systemctl(host, ["status", "--no-pager", "--lines=10", "--", unit]), timeout: timeout)
        case .manual: nil
        }
    }

    /// Nobody is there to type a password.
    private static func systemctl(_ host: String?, _ words: [String]) -> [String] {
        ["systemctl", "--no-ask-password"] + (host.map { ["--host=\($0)"] } ?? []) + words
    }
}

/// What a backend says of its release: the command's output, without the blanks around it.
@ControlPlane package enum VersionCommand {
    private static let timeout = Duration.seconds(30)

    package static func ask(_ command: [String]) async -> RolloutMachine.VersionEnd {
        do throws(SystemError) {
            let output = try OutputFile(unnamedOf: 64 << 10)
            let end = await BoundedCommand.run(command, output: output, timeout: timeout)
            let text = String(decoding: try output.tail(bytesMax: 200), as: UTF8.self)
            let version = text.split(whereSeparator: \.isNewline).last.map { String($0).escapedForOneLine } ?? ""
            switch end {
            case .done where version.isEmpty: return .failed(reason: "it printed nothing")
            case .done: return .version(version)
            case .notStarted(let reason): return .failed(reason: "it could not be started: \(reason)")
            case .failed(let reason): return .failed(reason: reason + (version.isEmpty ? "" : ": \(version)"))
            }
        } catch {
            return .failed(reason: "\(error)")
        }
    }
}
