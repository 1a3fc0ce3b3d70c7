// Every option of the configuration file, declared once: name, form with its bounds and unit, default, doc.
import Model

/// A health check as the file names it; Model's carries what goes with it.
enum CheckWord: String, CaseIterable, Sendable { case none, connect, banner, http, command }

/// Whether a listener expects a PROXY header; Model's form carries what goes with it.
enum AcceptProxyWord: String, CaseIterable, Sendable { case none, v1v2 }

/// What happens to new connections of a full pool; Model's form carries what goes with it.
enum WhenFullWord: String, CaseIterable, Sendable { case refuse, queue }

enum Declared {
    static let control = Option("control", .path, .isAnError(example: "run/lbd.sock"), "Unix socket of the control protocol, mode 0660",
        effect: .atNextStart)
    static let admin = Option("admin", .endpoint(portZero: true), .isNothing(example: "127.0.0.1:9180"),
        "where lbd answers HTTP itself: status page, /metrics, /healthz, /readyz; anybody who can connect may read them; left out: nowhere")
    static let stateDirectory = Option("state-directory", .path, .means("run"),
        "folder of the lock and the saved wishes; relative paths start at this file's folder", effect: .atNextStart)
    static let stopDeadline = Option("stop-deadline", .duration(.zero ... .days(30)), .means("1m"),
        "after SIGTERM: what is still connected then is closed")
    static let workers = Option("workers", .workers(1...64), .means("auto"), "data-plane threads; auto: one for each processor",
        effect: .atNextStart)
    static let connectionsMax = Option("connections-max", .connections, .isNothing(example: "9000"),
        "of all listeners at once; reached: no more is accepted, the backlog waits; without it what the descriptor limit carries")

    static let level = Option("level", Form<LogConfiguration.Level>.word(), .means("info"), "least severity that is logged")
    static let format = Option("format", Form<LogConfiguration.Format>.word(), .means("text"),
        "lines for people, or one JSON object a line")
    static let logFile = Option("file", .longPath, .isNothing(example: "lbd.log"),
        "appended to, mode 0640; opened anew on SIGUSR1; without it standard error")
    static let access = Option("access", .truth, .means("false"),
        "a line for each connection that has ended: who, where, bytes, times, ended by whom and why")
    /// One for each subsystem, by its name.
    static let subsystemLevels = Subsystem.allCases.map { subsystem in
        Option(subsystem.rawValue, Form<LogConfiguration.Level>.word(), .isNothing(example: "debug"), "least severity of lines about \(subsystem.doc)")
    }

    static let bind = Option("bind", .endpoint(portZero: true), .isAnError(example: "127.0.0.1:8080"),
        "where connections are taken: IPv4, [IPv6] or unix:PATH")
    static let pool = Option("pool", .poolName, .isAnError(example: "web"), "where they go")
    static let backlog = Option("backlog", .wholeNumber(1...65_535, unit: "connections"), .means("4096"),
        "what the kernel holds for us until it is accepted")
    static let listenerConnectionsMax = Option("connections-max", .connections, .isNothing(example: "9000"),
        "at once; reached: no more is accepted, the backlog waits")
    static let acceptProxy = Option("accept-proxy", Form<AcceptProxyWord>.word(), .means("none"),
        "v1v2: each connection begins with a PROXY header, which says who the client is")
    static let trusted = Option("trusted", .networks(1...Network.listMax), .isNothing(example: "[10.0.0.0/8, \"fd00::/8\"]"),
        "with accept-proxy: v1v2, and required there: whose headers are believed; others are cut off")
    static let proxyTimeout = Option("proxy-timeout", .duration(.milliseconds(100) ... .minutes(1)), .means("3s"),
        "with accept-proxy: v1v2: for the whole header; then the connection is cut off")
    static let allow = Option("allow", .networks(0...Network.listMax), .means("[0.0.0.0/0, \"::/0\"]"),
        "clients that are served, by the PROXY header's address where there is one; others are cut off")
    static let deny = Option("deny", .networks(0...Network.listMax), .means("[]"),
        "clients that are cut off all the same: deny wins over allow")
    static let sourceConnectionsMax = Option("source-connections-max", .wholeNumber(1...1_000_000, unit: "connections"),
        .isNothing(example: "100"), "open ones of each client address, by the PROXY header's where there is one; further ones are reset")
    static let perSecond = Option("per-second", .wholeNumber(1...1_000_000, unit: "connections"), .isAnError(example: "100"), "in the long run")
    static let burst = Option("burst", .wholeNumber(1...1_000_000, unit: "connections"), .isNothing(example: "100"),
        "how many at once after a quiet time; left out: as many as per-second")
    static let ipv4Prefix = Option("ipv4-prefix", .wholeNumber(1...32, unit: "bits"), .means("32"), "IPv4 clients alike in these bits are one source")
    static let ipv6Prefix = Option("ipv6-prefix", .wholeNumber(1...128, unit: "bits"), .means("64"), "IPv6 clients alike in these bits are one source")
    static let tableMax = Option("table-max", .wholeNumber(1024...1_048_576, unit: "sources"), .means("65536"),
        "how many are remembered, rounded down to a power of two, 16 bytes each; of more, those with most left are forgotten, never refused")

    static let balance = Option("balance", Form<Balance>.word(), .means("least-connections"),
        "how a backend is chosen for a new connection")
    static let connectTimeout = Option("connect-timeout", .duration(.milliseconds(10) ... .minutes(10)), .means("2s"),
        "for the connection to a backend; then the next is tried")
    static let idleTimeout = Option("idle-timeout", .duration(.milliseconds(100) ... .days(30)), .means("1h"),
        "no byte either way for so long: closed")
    static let halfClosedTimeout = Option("half-closed-timeout", .duration(.milliseconds(100) ... .days(30)), .means("1m"),
        "one direction ended and nothing came the other way for so long: closed")
    static let stalledTimeout = Option("stalled-timeout", .duration(.milliseconds(100) ... .days(30)), .means("5m"),
        "bytes wait for a reader that has taken none for so long: reset, as the rest is lost")
    static let lifetime = Option("lifetime", .duration(.zero ... .days(30)), .means("0s"),
        "from its accept on a connection is closed after so long at most, whatever it does; 0s: never, else 100ms at least")
    static let lifetimeJitter = Option("lifetime-jitter", .wholeNumber(0...100, unit: "per cent"), .means("10"),
        "with lifetime: how much earlier by chance, so that clients do not all come back at once")
    static let connectRetries = Option("connect-retries", .wholeNumber(0...8, unit: "attempts"), .means("2"),
        "after a failed connect, on another backend where one is available")
    static let sendProxy = Option("send-proxy", Form<SendProxy>.word(), .means("none"),
        "the PROXY header that tells backends who the client is")

    static let splice = Option("splice", Form<Splicing>.word(), .means("auto"),
        "auto: bulk goes through the kernel's pipes, messages are copied; on: all through pipes; off: none")

    static let source = Option("source", .address, .isNothing(example: "10.0.0.5"),
        "our address of connections and probes to backends of its family; without it the kernel chooses")
    static let keepaliveIdle = Option("idle", .duration(.zero ... .hours(9)), .means("0s"),
        "after so long without a byte the first probe, in whole seconds; 0s: none is sent")
    static let keepaliveInterval = Option("interval", .duration(.seconds(1) ... .hours(1)), .means("10s"), "from one to the next")
    static let keepaliveCount = Option("count", .wholeNumber(1...127, unit: "probes"), .means("6"),
        "so many without an answer end the connection")
    static let userTimeout = Option("user-timeout", .duration(.zero ... .hours(24)), .means("0s"),
        "what was sent is unacknowledged for so long: the peer is dead; 0s: as the kernel thinks, about 15m")
    static let whenFull = Option("when-full", Form<WhenFullWord>.word(), .means("refuse"),
        "when every available backend is at its connections-max: new connections are reset, or wait in the queue")
    static let queueLengthMax = Option("length-max", .connections, .means("1024"), "that wait; more are reset")
    static let queueTimeout = Option("timeout", .duration(.milliseconds(10) ... .hours(1)), .means("5s"),
        "for a backend; then the connection is reset")
    static let whenNone = Option("when-none", Form<WhenNone.Word>.word(), .means("refuse"),
        "when no backend is available: new connections are reset, or held until one is back, or go to another pool; never to a draining backend")
    static let divert = Option("divert", .poolName, .isNothing(example: "spare"),
        "with when-none: divert, and required there: the pool that they go to, by its own options")
    static let holdLengthMax = Option("length-max", .connections, .means("1024"), "that are held; more are reset")
    static let holdTimeout = Option("timeout", .duration(.milliseconds(10) ... .hours(1)), .means("30s"),
        "for a backend to come back; then the connection is reset")
    static let slowStart = Option("slow-start", .duration(.zero ... .hours(1)), .means("0s"),
        "a backend that comes back gets a tenth of its share at first and all of it after so long, while its connects go as well as the others'")

    static let check = Option("check", .check, .means("connect"),
        "how a probe asks whether a backend is up; none: it counts as up")
    static let interval = Option("interval", .duration(.milliseconds(50) ... .hours(1)), .means("2s"), "from one probe to the next")
    static let timeout = Option("timeout", .duration(.milliseconds(10) ... .minutes(10)), .means("1s"), "for one probe; then it has failed")
    static let rise = Option("rise", .wholeNumber(1...100, unit: "probes"), .means("2"), "successes in a row that make a backend up")
    static let fall = Option("fall", .wholeNumber(1...100, unit: "probes"), .means("3"), "failures in a row that make it down")
    static let expect = Option("expect", .text(bytes: 1...1024), .isNothing(example: "\"220 \""),
        "with check: banner, and required there: what stands in the backend's words, see match")
    static let send = Option("send", .text(bytes: 1...1024), .isNothing(example: "\"PING\\r\\n\""),
        "with check: banner: what the probe says first")

    static let match = Option("match", Form<BannerMatch>.word(), .means("prefix"),
        "with check: banner: expect is how the backend's words begin, or stands anywhere in the first 16 KiB of them")
    static let path = Option("path", .visible(bytes: 1...1024, first: "/"), .means("/"), "with check: http: what is asked for, by GET")
    static let host = Option("host", .visible(bytes: 1...255), .isNothing(example: "www.example.com"),
        "with check: http: the Host header; without it the backend's address")
    static let status = Option("status", .statuses, .means("200-299"), "with check: http: the good ones; a list such as [200-299, 401] too")
    static let body = Option("body", .text(bytes: 1...1024), .isNothing(example: "\"ready\""),
        "with check: http: a text that the body must hold, in its first 64 KiB")
    static let checkCommand = Option("command", .checkCommand, .isNothing(example: "[/usr/lib/check-web, \"{host}\", \"{port}\"]"),
        "with check: command, and required there: program and arguments, exit status 0 is up, killed with its process group at the timeout; filled in as in restart")
    static let fastInterval = Option("fast-interval", .duration(.milliseconds(50) ... .hours(1)), .means("500ms"),
        "instead of interval while the state is changing, and after a burst of failed connections; never longer than interval")
    static let jitter = Option("jitter", .wholeNumber(0...50, unit: "per cent"), .means("10"),
        "how much earlier by chance a probe comes, so that those of many backends spread")
    static let whenDown = Option("when-down", Form<WhenDown>.word(), .means("keep"),
        "the connections of a backend that has been found down: go on while they can, or are reset at once")
    static let passiveFailures = Option("failures", .wholeNumber(0...1_000_000, unit: "connections"), .means("3"), "so many are a burst; 0: not looked at")
    static let passiveWithin = Option("within", .duration(.milliseconds(100) ... .hours(1)), .means("5s"), "the time in which they fail")

    static let deadline = Option("deadline", .duration(.zero ... .days(30)), .means("5m"),
        "how long a drain has where the command does not say")
    static let atDeadline = Option("at-deadline", Form<DrainEnd>.word(), .means("keep"),
        "then: keep waits on for the last connections; close ends them, idle ones first, at a pace; reset ends all at once")
    static let closeRate = Option("close-rate", .wholeNumber(1...1_000_000, unit: "connections"), .isNothing(example: "100"),
        "a second, that at-deadline: close ends; left out: so many that the others' connects stay at those of their busiest second of the drain, 10 at least")

    static let leaseEnd = Option("lease-end", Form<LeaseEnd>.word(), .means("undrain"),
        "when nobody has renewed the lease of a drain: undrain brings the backend back, keep leaves it out until somebody undrains it")

    static let address = Option("address", .endpoint(portZero: false), .isAnError(example: "127.0.0.1:9001"), "alone also as NAME: ADDRESS")
    static let weight = Option("weight", .wholeNumber(1...256, unit: "shares"), .means("1"),
        "share of new connections relative to the others")
    static let backendConnectionsMax = Option("connections-max", .connections, .isNothing(example: "500"),
        "at once; then it is full, see when-full")
    static let backup = Option("backup", .truth, .means("false"), "takes connections only while no other is available")
    static let wish = Option("wish", Form<Wish>.word(), .means("ready"), "at first start; a wish saved since then wins",
        effect: .atFirstStart)

    static let capacityConnections = Option("connections", .connections, .isNothing(example: "900"), "at once")
    static let capacityConnects = Option("connects-per-second", .wholeNumber(1...10_000_000, unit: "connections"), .isNothing(example: "500"),
        "new ones in a second")
    static let capacityBytes = Option("bytes-per-second", .size(1...(1 << 50)), .isNothing(example: "100MiB"),
        "in a second, both ways together")

    static let command = Option("command", .command, .isNothing(example: "[ssh, \"{host}\", sudo, systemctl, restart, web]"),
        "program and arguments; filled in: " + RestartConfiguration.placeholders.map { "{\($0)}" }.joined(separator: " "))
    static let shell = Option("shell", .truth, .means("false"),
        "with command: it is one text, which sh -c runs; no shell has a part in it otherwise")
    static let systemd = Option("systemd", .template, .isNothing(example: "web@{port}.service"),
        "instead of command: systemctl restarts this unit; filled in as in command")
    static let systemdHost = Option("host", .template, .isNothing(example: "\"{host}\""),
        "with systemd: where the unit is, for systemctl's --host; left out: here")
    static let pause = Option("pause", .template, .isNothing(example: "restart {backend} in the console of its maker"),
        "instead of command: a person does this, and then says lbctl rollout done; filled in as in command")
    static let restartTimeout = Option("timeout", .duration(.seconds(1) ... .days(1)), .means("2m"),
        "for the command; then the restart has failed")
    static let version = Option("version", .command, .isNothing(example: "[ssh, \"{host}\", cat, /srv/web/RELEASE]"),
        "what prints the version of a backend: asked before and after its restart, and it must have changed; filled in as in command")
    static let rollback = Option("rollback", .command, .isNothing(example: "[ssh, \"{host}\", sudo, /srv/web/back]"),
        "what brings a backend back to the release before, where a rollout finds the new one bad; filled in as in command")
}

// The sections, in the order in which texts show them.
extension Declared {
    static let file = Section("", .one, "the whole file", [
        entry(control), entry(admin), entry(stateDirectory), entry(stopDeadline), entry(workers), entry(connectionsMax),
        .section(log), .section(listeners), .section(pools),
    ])
    static let log = Section("log", .one, "what is logged", [
        entry(level), entry(format), entry(logFile), entry(access), .section(levels),
    ])
    static let levels = Section("levels", .oneOrNone, "of parts of lbd that have a level of their own", subsystemLevels.map { entry($0) })
    static let listeners = Section("listeners", .named(noun: "listener", example: "web"), "each takes connections for a pool", [
        entry(bind), entry(pool), entry(backlog), entry(listenerConnectionsMax), entry(acceptProxy), entry(trusted), entry(proxyTimeout),
        entry(allow), entry(deny), entry(userTimeout), entry(sourceConnectionsMax),
        .section(rate), .section(sourceRate), .section(keepalive),
    ])
    static let rate = Section("rate", .oneOrNone,
        "new connections of all clients together; more of them wait in the backlog, looked at every 10 ms: a burst below a hundredth of per-second costs some of it", [
            entry(perSecond), entry(burst),
        ])
    static let sourceRate = Section("source-rate", .oneOrNone, "new connections of each source; more of them are reset", [
        entry(perSecond), entry(burst), entry(ipv4Prefix), entry(ipv6Prefix), entry(tableMax),
    ])
    static let pools = Section("pools", .named(noun: "pool", example: "web"), "each spreads connections over its backends", [
        entry(balance), entry(connectTimeout), entry(idleTimeout), entry(halfClosedTimeout), entry(connectRetries),
        entry(sendProxy), entry(stalledTimeout), entry(lifetime), entry(lifetimeJitter), entry(splice), entry(source),
        entry(userTimeout), entry(whenFull), entry(whenNone), entry(divert), entry(slowStart),
        .section(queue), .section(hold), .section(keepalive), .section(health), .section(drain), .section(capacity), .section(backends), .section(restart),
    ])
    static let keepalive = Section("keepalive", .one, "TCP's probes of quiet connections", [
        entry(keepaliveIdle), entry(keepaliveInterval), entry(keepaliveCount),
    ])
    static let queue = Section("queue", .one, "with when-full: queue: connections that wait, first come first served", [
        entry(queueLengthMax), entry(queueTimeout),
    ])
    static let hold = Section("hold", .one, "with when-none: hold: connections that wait, unread, first come first served", [
        entry(holdLengthMax), entry(holdTimeout),
    ])
    static let health = Section("health", .one, "probes", [
        entry(check), entry(interval), entry(timeout), entry(rise), entry(fall), entry(expect), entry(send),
        entry(match), entry(path), entry(host), entry(status), entry(body), entry(checkCommand),
        entry(fastInterval), entry(jitter), entry(whenDown), .section(passive),
    ])
    static let passive = Section("passive", .one,
        "clients' connections that fail, at connect or by a reset before the backend's first byte: a burst of them brings a probe at once, which decides", [
            entry(passiveFailures), entry(passiveWithin),
        ])
    static let drain = Section("drain", .one, "taking a backend out of rotation", [entry(deadline), entry(atDeadline), entry(closeRate), entry(leaseEnd)])
    static let backends = Section("backends", .named(noun: "backend", example: "web-1"), "each is one server", [
        entry(address), entry(weight), entry(backendConnectionsMax), entry(backup), entry(wish), .section(capacity),
    ])
    static let capacity = Section("capacity", .oneOrNone,
        "what a backend can carry, each as far as it is known: of its own, else of its pool; for a rollout's proof, nothing is held back by it", [
            entry(capacityConnections), entry(capacityConnects), entry(capacityBytes),
        ])
    static let restart = Section("restart", .oneOrNone, "how a rollout restarts a backend; may be left out", [
        entry(command), entry(shell), entry(systemd), entry(systemdHost), entry(pause), entry(restartTimeout), entry(version),
        entry(rollback),
    ])

    private static func entry<Value>(_ option: Option<Value>) -> Section.Entry { .option(OptionEntry(option)) }
}

extension Duration {
    fileprivate static func minutes(_ count: Int) -> Duration { .seconds(60 * count) }
    fileprivate static func hours(_ count: Int) -> Duration { .seconds(3600 * count) }
    fileprivate static func days(_ count: Int) -> Duration { .seconds(86_400 * count) }
}
