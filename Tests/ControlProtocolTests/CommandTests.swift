// Requests. Faults: a command that lbctl writes and lbd reads as another, a typo in a key that is silently ignored
// (`deadlien=2s` would wait for ever), a message without the remedy.
import ControlProtocol
import Model
import TestSupport
import Testing

private func request(_ line: String) throws(LineError) -> Request { try Request(line: Array(line.utf8)) }

private func refusal(_ line: String) -> String? {
    do throws(LineError) { _ = try request(line) } catch { return error.description }
    return nil
}

struct CommandTests {
    private static func everyCommand() throws -> [Command] {
        let a = try BackendReference("web/a"), b = try BackendReference("api/b-2")
        return [
            .help(verb: nil), .help(verb: "drain"), .help(verb: "config check"), .help(verb: "config"), .status(.everything), .status(.pool(try PoolName("web"))), .status(.backend(a)),
            .status(.pool(try PoolName("web")).and(b).and(a)),
            .drain(DrainOrder(backends: [a])),
            .drain(DrainOrder(backends: [a, b], waits: true)),
            .drain(DrainOrder(
                backends: [a, b], owner: "rollout-7", reason: "new 'disk' \"now\" \\ ü", lease: .milliseconds(1500),
                deadline: .seconds(90), atDeadline: .close, waits: true)),
            .drain(DrainOrder(backends: [a], owner: "rollout-7", lease: .seconds(30), renews: true)),
            .undrain([a], owner: nil, force: false), .undrain([a, b], owner: "ann b", force: true),
            .maintain([a], owner: nil, reason: nil), .maintain([b, a], owner: "ann", reason: "disk swap"),
            .ready([a], owner: nil, force: false), .ready([a], owner: "=", force: true),
            .probe([a], timeout: nil), .probe([a, b], timeout: .seconds(5)),
            .events(follow: false, since: nil), .events(follow: true, since: nil), .events(follow: true, since: .max),
            .drain(DrainOrder(backends: [a], deadline: .zero, atDeadline: .reset)), .explain(b),
            .connections(ConnectionsOrder()), .connections(ConnectionsOrder(scope: .backend(a), sort: .bytes, limit: 7)),
            .close([ConnectionID(worker: 0, serial: 4711)], reset: false),
            .close([ConnectionID(worker: 1, serial: 1), ConnectionID(worker: 0, serial: .max)], reset: true),
            .share(ShareOrder([.init(a, percent: 0)], lease: .seconds(10))),
            .share(ShareOrder(
                [.init(a, percent: 100), .init(try BackendReference("web/owner"), percent: 7)], owner: "rollout-7", reason: "a=b c", lease: .milliseconds(1500))),
            .unshare(try PoolName("web"), owner: nil, force: false), .unshare(try PoolName("web"), owner: "ann b", force: true),
            .measure(try PoolName("web"), ages: false), .measure(try PoolName("web"), ages: true),
            .rolloutReport(RolloutNotice(
                id: "web 1", owner: "rollout=1", state: .running, began: Timestamp(milliseconds: 1_700_000_000_000),
                nodes: [RolloutNotice.Node(a, .done, since: nil)], steps: 2, stepsDone: 1, end: nil, endAtMost: nil, lease: .seconds(30))),
        ] + (try configurationCommands()).map(Command.configuration)
    }

    private static func configurationCommands() throws -> [ConfigurationCommand] {
        let a = ConfigurationSubject.backend(try BackendReference("web/a")), b = ConfigurationSubject.backend(try BackendReference("web/b"))
        let web = ConfigurationSubject.pool(try PoolName("web")), front = ConfigurationSubject.listener(try ListenerName("front"))
        let settings = [
            Setting(key: "health.interval", value: "1s"), Setting(key: "restart.command", value: "[ssh, \"{host}\", 'a b=c']"),
            Setting(key: "drain.deadline", value: ""), Setting(key: "health.expect", value: "\"+OK\\r\\n ü\""),
        ]
        return [
            .check, .show(defaults: false), .show(defaults: true), .difference, .reload, .save(file: nil, force: false),
            .save(file: "/etc/my file=1.yaml", force: true), .logLevel(.debug, nil), .logLevel(.error, .health),
            .edit(.set(.lbd, settings)), .edit(.add(a, settings)), .edit(.add(a, [Setting(key: "address", value: "unix:a=b")])), .edit(.set(a, settings)),
            .edit(.add(web, [])), .edit(.add(web, settings)), .edit(.set(web, settings)), .edit(.set(web, settings), force: true), .edit(.add(front, settings)), .edit(.set(front, settings)),
            .remove([a], now: false, waiting: .no), .remove([a, b], now: true, waiting: .untilGone(deadline: nil)),
            .setListeners([try ListenerName("front"), try ListenerName("back")], [Setting(key: "pool", value: "web")]),
            .remove([web], now: false, waiting: .untilGone(deadline: .seconds(90))), .remove([front], now: true, waiting: .no),
        ]
    }

    @Test func everyLineReadsBackToItself() throws {
        for command in try CommandTests.everyCommand() {
            for output in [Output.text, .json] {
                let original = Request(command, output: output)
                #expect(try request(original.line) == original, "\(original.line)")
            }
        }
    }

    /// The list above and the list of verbs grow together.
    @Test func everyVerbIsTried() throws {
        let lines = try CommandTests.everyCommand().map { Request($0).line + " " }
        for verb in Verb.all { #expect(lines.contains { $0.hasPrefix(verb.name + " ") }, "\(verb.name)") }
        #expect(lines.allSatisfy { line in Verb.all.contains { line.hasPrefix($0.name + " ") } })
    }

    @Test(arguments: [
        ("", "the line is empty: try 'help'"), ("   ", "the line is empty: try 'help'"),
        ("drian web/a", "unknown verb 'drian'; did you mean 'drain'?"), ("frobnicate", "unknown verb 'frobnicate'; try 'help'"),
        ("STATUS", "unknown verb 'STATUS'; try 'help'"),
        ("drain web/a deadlien=2s", "'drain' has no key 'deadlien'; it knows: deadline"),
        ("events zzzzzzzz=1", "'events' has no key 'zzzzzzzz'; it knows: follow, since, output"),
        ("events follow=yes follow=no", "key 'follow' stands twice"), ("status output=xml", "output=xml: write text or json"),
        ("events follow=maybe", "follow=maybe: write yes or no"), ("events now", "'now' is too much: events [follow=yes] [since=SEQUENCE]"),
        ("events since=-1", "since=-1: write the number of an event"), ("help drian", "unknown verb 'drian'; did you mean 'drain'?"),
        ("help drain now", "unknown verb 'drain now'; try 'help'"), ("status web a/b/c", "'a/b/c' is neither POOL nor POOL/BACKEND: 'a/b/c' is not a backend: write POOL/BACKEND"),
        ("drain", "'drain' needs a backend: drain POOL/BACKEND... [wait=yes] [deadline=D] [at-deadline=keep|close|reset] [owner=NAME] [reason=TEXT] [lease=D] [renew=yes]"),
        ("drain web", "'web' names no backend: write web/NAME"), ("drain web/a at-deadline=now", "at-deadline=now: write one of keep, close, reset"),
        ("close", "'close' needs an id: close ID... [reset=yes]"), ("close 1-x", "'1-x' is no connection: write an id such as 1-4711, as 'connections' shows it"),
        ("close +1-1", "'+1-1' is no connection: write an id such as 1-4711, as 'connections' shows it"), ("explain", "'explain' needs a backend: explain POOL/BACKEND"),
        ("connections limit=0", "limit=0: write a whole number from 1 to 100000"), ("connections sort=size", "sort=size: write one of age, idle, bytes"),
        ("drain web/a lease=0s", "lease=0s is no time at all; write lease=10s, say"), ("probe web/a timeout=0s", "timeout=0s is no time at all; write timeout=10s, say"),
        ("probe web/a timeout=-1s", "timeout=-1s: a duration cannot be negative"),
        ("config", "'config' is not all of it: write config check, config show, config diff, config reload, config save, config set"),
        ("config chekc", "unknown verb 'config chekc'; did you mean 'config check'?"),
        ("pool frobnicate", "unknown verb 'pool frobnicate'; write pool add, pool set, pool remove"),
        ("config check now", "'now' is too much: config check"), ("config check defaults=yes", "'config check' has no key 'defaults'; it knows: output"),
        ("config set", "'config set' needs KEY=VALUE: config set KEY=VALUE..."), ("pool set web", "'pool set' needs KEY=VALUE: pool set NAME KEY=VALUE... [force=yes]"),
        ("pool set web a=1 a=2", "key 'a' stands twice"), ("pool set web balance random=", "'balance' is too much: pool set NAME KEY=VALUE... [force=yes]"),
        ("backend add web 127.0.0.1:1", "'web' names no backend: write web/NAME"), ("backend remove", "'backend remove' needs a backend: backend remove POOL/BACKEND... [now=yes] [wait=yes] [deadline=D]"),
        ("listener add 'a b'", "'a b': a name consists of letters, digits, '.', '_' and '-'"), ("pool remove web deadline=1s", "deadline= needs wait=yes"),
        ("log level loud", "'loud' is no level: write debug | info | warning | error"),
        ("drain web/a owner=", "owner is 1 to 200 bytes of text"), ("drain web/a reason=\u{9B}31m", "reason holds a control character: write plain text"),
    ])
    func refusalsNameTheWordAndTheRemedy(_ line: String, _ message: String) {
        #expect(refusal(line) == message)
    }

    /// Faults in the words themselves come escaped.
    @Test func refusalsStayOnOneLine() {
        #expect(refusal("'we b'")?.contains { $0.isNewline } == false)
        #expect(refusal("drain 'web/\u{202E}'")?.utf8.allSatisfy { $0 < 0x80 } == true)
    }

    @Test func anAddressMayStandAlone() throws {
        let settings = [Setting(key: "address", value: "[::1]:80"), Setting(key: "weight", value: "2")]
        #expect(try request("backend add web/a [::1]:80 weight=2").command
            == .configuration(.edit(.add(.backend(try BackendReference("web/a")), settings))))
    }

    @Test func aBackendNamedTwiceIsOne() throws {
        #expect(try request("drain web/a web/b web/a").command
            == .drain(DrainOrder(backends: [try BackendReference("web/a"), try BackendReference("web/b")])))
    }

    /// Fault: looking for each name among those before it takes a line of 64 KiB some seconds, and holds up everybody.
    @Test func aLineOfThousandsOfNamesIsReadInNoTime() throws {
        let names = (0..<9000).map { "a/\(String($0, radix: 36))" }.joined(separator: " ")
        let took = try processorTime {
            guard case .undrain(let backends, _, _) = try request("undrain \(names)").command else { return }
            #expect(backends.count == 9000)
        }
        #expect(took < .milliseconds(500), "took \(took)")
    }

    /// The same fault in the verbs that take other names.
    @Test(arguments: ["backend remove a/", "pool remove ", "listener remove ", "status ", "close 1-"])
    func aLineOfThousandsOfOtherNamesToo(_ start: String) throws {
        let parts = start.split(separator: " ").map(String.init)
        let prefix = start.hasSuffix(" ") ? "" : parts[parts.count - 1]
        let verb = parts.prefix(prefix.isEmpty ? parts.count : parts.count - 1).joined(separator: " ")
        let names = (0..<9000).map { "\(prefix)\($0)" }
        let took = try processorTime {
            let command = try request("\(verb) \((names + names.prefix(9)).joined(separator: " "))").command
            switch command {
            case .configuration(.remove(let subjects, _, _)): #expect(subjects.count == 9000)
            case .status(let scope): #expect(scope.pools.count == 9000)
            case .close(let ids, _): #expect(ids.count == 9000)
            default: Issue.record("read as \(command)")
            }
        }
        #expect(took < .seconds(1), "took \(took)")
    }

    @Test func longestTextIsTakenAndALongerOneRefused() throws {
        _ = try request("drain web/a reason=\(String(repeating: "x", count: 200))")
        #expect(refusal("drain web/a reason=\(String(repeating: "x", count: 201))") == "reason is 1 to 200 bytes of text")
    }
}

/// What is left behind by peers that have gone. Faults: an order that is taken for nonsense and lost, a drain that waits for
/// nobody's sake.
struct UnawaitedTests {
    @Test func whateverOrdersMayOrder() throws {
        for verb in Verb.all {
            let line = Array(verb.name.utf8)
            let asks = ["help", "status", "events", "connections", "explain", "probe", "measure"].contains(verb.name)
            #expect(Request.mayOrder(line) != asks, "\(verb.name)")
            #expect(Request.mayOrder(line + Array(" web/a x=y".utf8)) != asks, "\(verb.name)")
        }
        for line in ["'drain' web/a", "dr\\ain web/a", " drain web/a", "drain\tweb/a"] { #expect(Request.mayOrder(Array(line.utf8)), "\(line)") }
        for line in ["", "drainn web/a", "drai", String(repeating: "drain", count: 100)] { #expect(!Request.mayOrder(Array(line.utf8)), "\(line)") }
    }

    @Test func nobodyWaitsForThem() throws {
        #expect(try request("drain web/a web/b wait=yes owner=ann reason=x lease=9s deadline=1m at-deadline=reset").command.unawaited
            == request("drain web/a web/b owner=ann reason=x lease=9s deadline=1m at-deadline=reset").command)
        #expect(try request("drain web/a renew=yes wait=yes").command.unawaited == request("drain web/a renew=yes").command)
        #expect(try request("backend remove web/a wait=yes now=yes").command.unawaited == request("backend remove web/a now=yes").command)
        for line in ["undrain web/a", "config reload", "log level debug"] {
            #expect(try request(line).command.unawaited == request(line).command)
        }
        for line in ["status", "config diff", "events follow=yes", "probe web/a"] { #expect(try request(line).command.unawaited == nil) }
    }
}
