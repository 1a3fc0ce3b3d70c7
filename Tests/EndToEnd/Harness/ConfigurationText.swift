// A configuration file for lbd, put together from what a test cares about.

struct ConfigurationText {
    struct Listener {
        var name = "web"
        var bind = "127.0.0.1:0"
        var pool = "web"
        /// Such as `accept-proxy: v1v2`.
        var settings: [String] = []
    }

    struct Pool {
        var name = "web"
        /// Lines such as `idle-timeout: 1s`. Without a `health:` among them there are no probes.
        var settings: [String] = []
        /// Names, and what stands after them: an endpoint or a map in braces.
        var backends: [(name: String, value: String)]
    }

    var listeners = [Listener()]
    var pools: [Pool]
    /// Lines at the top level.
    var settings: [String] = []
    var log = "{ level: debug }"
    var workers = 2
    var stateDirectory = "run"

    /// One listener `web`, one pool `web` with these backends.
    init(_ backends: [(name: String, server: TestServer)], _ settings: [String] = [], workers: Int = 2) {
        self.init(backends: backends.map { ($0.name, "\"\($0.server.endpoint)\"") }, settings, workers: workers)
    }

    init(backends: [(name: String, value: String)], _ settings: [String] = [], workers: Int = 2) {
        pools = [Pool(settings: settings, backends: backends)]
        self.workers = workers
    }

    /// The file as it is written; the control socket is `SOCKET`.
    func yaml(control: String) -> String {
        var lines = ["control: \(control)", "state-directory: \(stateDirectory)", "workers: \(workers)"]
        lines += ["log: \(log)"] + settings + ["listeners:"]
        lines += listeners.map { listener in
            let entries = ["bind: \"\(listener.bind)\"", "pool: \(listener.pool)"] + listener.settings
            return "  \(listener.name): { \(entries.joined(separator: ", ")) }"
        }
        lines.append("pools:")
        for pool in pools {
            lines.append("  \(pool.name):")
            let health = pool.settings.contains { $0.hasPrefix("health:") } ? [] : ["health: { check: none }"]
            lines += (health + pool.settings).map { "    " + $0 }
            lines.append("    backends:")
            lines += pool.backends.map { "      \($0.name): \($0.value)" }
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
