// Where programs are: the package's own beside the tests, the distribution's in PATH.
import Foundation
import Glibc

enum Installed {
    /// Debian's package for each program that a test starts.
    private static let packages = [
        "nginx": "nginx-light", "redis-server": "redis-server", "redis-cli": "redis-tools",
        "redis-benchmark": "redis-tools", "wrk": "wrk", "socat": "socat", "curl": "curl",
        "h2load": "nghttp2-client", "iperf3": "iperf3", "sshd": "openssh-server", "ssh-keygen": "openssh-client",
        "scp": "openssh-client", "swaks": "swaks", "aiosmtpd": "python3-aiosmtpd", "haproxy": "haproxy",
        "postgres": "postgresql-15", "initdb": "postgresql-15", "pgbench": "postgresql-15", "psql": "postgresql-client-15",
        "sh": "dash", "sha256sum": "coreutils", "script": "bsdutils", "strace": "strace", "chromium": "chromium",
        "promtool": "prometheus",
    ]

    /// The path of a program of this package; SLUICE_PRODUCTS names another folder than the tests' own.
    static func product(_ name: String) throws -> String {
        let folder = ProcessInfo.processInfo.environment["SLUICE_PRODUCTS"] ?? testFolder
        let path = folder + "/" + name
        guard access(path, X_OK) == 0 else { throw HarnessError("\(path) is not there: run 'swift build' first") }
        return path
    }

    /// The path of a program of the distribution. One that is missing fails the test: it is never skipped.
    static func program(_ name: String) throws -> String {
        let path = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin") + ":/usr/sbin:/sbin"
        let folders: [Substring] = path.split(separator: ":")
        for folder in folders where access("\(folder)/\(name)", X_OK) == 0 { return "\(folder)/\(name)" }
        throw HarnessError("\(name) is not installed: apt-get install -y \(packages[name] ?? name)")
    }

    /// The package's own folder: SLUICE_ROOT, else where this file was compiled.
    static let packageRoot: String = ProcessInfo.processInfo.environment["SLUICE_ROOT"]
        ?? URL(fileURLWithPath: #filePath).pathComponents.dropLast(4).joined(separator: "/").replacingOccurrences(of: "//", with: "/")

    private static let testFolder: String = {
        let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        return program.deletingLastPathComponent().path
    }()
}
