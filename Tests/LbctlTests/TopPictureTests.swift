// The live view on screens of any size. Faults: a line too long, which wraps and pushes the rest off the screen; a name that
// gives the terminal orders; a selected row that is out of sight.
import Model
import Statistics
import SystemCalls
import Testing

@testable import lbctl

@Suite struct TopPictureTests {
    private let drained = MadeUp.backend(
        2, connections: 12, max: 50, total: 4000, availability: .draining, drain: MadeUp.drain(reason: "new disk", deadline: .seconds(100), lease: .seconds(30)))

    private func many(_ count: Int) -> Observation {
        MadeUp.observation((1...count).map { MadeUp.backend($0, connections: $0 % 7, total: UInt64($0) * 1_000_003, failures: UInt64($0 % 3)) })
    }

    @Test(arguments: [(40, 24), (80, 24), (200, 60), (20, 5), (1, 1), (10, 2), (80, 3), (500, 200)])
    func everyScreenIsFilledAndNoLineIsTooLong(columns: Int, rows: Int) {
        let observation = MadeUp.observation([MadeUp.backend(1), drained], [MadeUp.connection(1, slot: 2)], liveness: .stopped(silent: .seconds(12)))
        var backend = TopView(), help = TopView(), pool = TopView()
        for key in [Key.down, .down, .enter] { _ = backend.take(key, among: [.pool(0), .backend(1), .backend(2)], rows: 5) }
        _ = help.take(.character("?"), among: [], rows: 5)
        _ = pool.take(.enter, among: [.pool(0)], rows: 5)
        for view in [TopView(), backend, help, pool] {
            for looks in [[], [MadeUp.look(observation)], [MadeUp.look(many(1000))], [MadeUp.look(Observation(process: MadeUp.process()))]] {
                let lines = MadeUp.scene(looks, view: view).texts(columns, rows)
                #expect(lines.count == rows)
                #expect(lines.allSatisfy { $0.utf8.count <= columns && $0.utf8.allSatisfy { (0x20...0x7E).contains($0) } })
            }
        }
    }

    @Test func aNarrowScreenHasWhatMattersMost() {
        let lines = MadeUp.scene([MadeUp.look(MadeUp.observation([MadeUp.backend(1, "frontend-production-1", connections: 3), drained]))]).texts(40, 24)
        let row = lines.first { $0.contains("production-1") } ?? ""
        #expect(row.contains("available") && row.hasSuffix(" 3"), "\(lines)")
        #expect(lines.contains { $0.contains("draining") } && lines.contains { $0.contains("drained by alice for 3 m 20 s") })
        #expect(lines.last?.contains("q quit") == true)
    }

    @Test func aWideScreenHasAllColumns() {
        let lines = MadeUp.scene([MadeUp.look(MadeUp.observation([MadeUp.backend(1), drained]))]).texts(200, 24)
        let titles = lines.first { $0.contains("BACKEND") } ?? ""
        for title in ["AVAILABILITY", "CONNS", "CONNS/S", "BYTES/S", "CONNECT", "FAILED", "TOTAL", "PROBE", "WISH", "WEIGHT", "ADDRESS"] {
            #expect(titles.contains(title), "\(title) is missing: \(titles)")
        }
        #expect(lines.contains { $0.contains("drained by alice for 3 m 20 s; deadline in 1 m 40 s; lease ends in 30 s; new disk") })
        #expect(lines.contains { $0.contains("lbd 1.0, pid 4711, up 3 h 2 m") } && lines.contains { $0.contains("12 of 9000 connections, 40 of 20000 descriptors, loop lag 340us") })
        #expect(lines.contains { $0.contains("listener web 127.0.0.1:8080 -> web: 12 connections, 3/s") })
    }

    @Test func hostileNamesAreText() {
        var backend = MadeUp.backend(1, "a\u{1B}[2Jb\n\u{202E}界", availability: .draining, drain: MadeUp.drain("eve\u{9B}31m", reason: "x\r\n! lbd is well"))
        backend.address = "unix:/tmp/\u{7}"
        var observation = MadeUp.observation([backend], [MadeUp.connection(1)], pool: "w\u{1B}c")
        observation.process.version = "1\u{1B}]0;owned\u{7}"
        observation.listeners[0].name = "\u{1B}[H"
        for keys in [[Key](), [.enter], [.down, .enter]] {
            var scene = MadeUp.scene([MadeUp.look(observation)])
            for key in keys { _ = scene.view.take(key, among: scene.items, rows: 9) }
            let bytes = Screen.frame(TopPicture.lines(scene, TerminalSize(columns: 120, rows: 30)), columns: 120, isColoured: false)
            // Its own orders: home, to the end of the line, attributes.
            let text = String(decoding: bytes, as: UTF8.self).replacingOccurrences(of: ["\u{1B}[H", "\u{1B}[K", "\u{1B}[1m", "\u{1B}[7m", "\u{1B}[0m", "\r\n"])
            #expect(text.utf8.allSatisfy { (0x20...0x7E).contains($0) }, "\(text)")
            #expect(text.contains("\\u{1b}"))
        }
    }

    @Test func theSelectedRowIsInSightAmongAThousand() {
        var scene = MadeUp.scene([MadeUp.look(many(1000))])
        for (keys, name) in [([Key.last], "web-1000"), ([.first, .down], "web-1"), (Array(repeating: .pageDown, count: 20), "> web-"), ([.last, .up], "web-999")] {
            for key in keys { _ = scene.view.take(key, among: scene.items, rows: 20) }
            let lines = scene.texts(80, 24)
            let selected = lines.filter { $0.hasPrefix("> ") }
            #expect(selected.count == 1 && selected[0].contains(name), "\(name): \(lines)")
        }
    }

    @Test func everyRowComesIntoSight() {
        var scene = MadeUp.scene([MadeUp.look(MadeUp.observation((1...50).map {
            MadeUp.backend($0, connections: 1, availability: $0 % 2 == 0 ? .draining : .available, drain: $0 % 2 == 0 ? MadeUp.drain() : nil)
        }))])
        var seen: [String] = []
        for _ in scene.items {
            let selected = scene.texts(60, 12).first { $0.hasPrefix("> ") }
            seen.append(selected ?? "none")
            _ = scene.view.take(.down, among: scene.items, rows: 5)
        }
        #expect(seen.count == 51 && seen[1...].enumerated().allSatisfy { $0.element.hasPrefix("> web-\($0.offset + 1) ") }, "\(seen)")
    }

    @Test func anEmptyBalancerSaysSo() {
        let lines = MadeUp.scene([MadeUp.look(Observation(process: MadeUp.process()))]).texts(80, 24)
        #expect(lines.contains { $0.contains("no pools") } && lines.contains { $0.contains("lbd 1.0") })
        let without = MadeUp.scene([MadeUp.look(MadeUp.observation([]))]).texts(80, 24)
        #expect(without.contains { $0.contains("no backends") })
    }

    @Test(arguments: [
        (Liveness.stopped(silent: .seconds(12)), "silent for 12 s (since 2026-11-21T07:59:48.000Z): it is stopped by a signal (SIGSTOP)", "'kill -CONT 4711' lets it go on"),
        (.hung(silent: .seconds(12)), "its control loop does nothing", "commands and probes do not"),
        (.dead(silent: .seconds(90)), "silent for 1 m 30 s (since 2026-11-21T07:58:30.000Z): process 4711 is gone", "what you see is how it was"),
    ])
    func oneThatDoesNotRunSaysSoInABanner(liveness: Liveness, first: String, second: String) {
        let observation = MadeUp.observation([MadeUp.backend(1)], liveness: liveness)
        for columns in [40, 80, 200] {
            let lines = TopPicture.lines(MadeUp.scene([MadeUp.look(observation)]), TerminalSize(columns: columns, rows: 40))
            let banner = lines.filter { $0.pieces.first?.style == .alarm }.map { $0.text.dropFirst(2) }.joined(separator: " ")
            #expect(banner.contains(first) && banner.contains(second), "\(banner)")
        }
        let running = TopPicture.lines(MadeUp.scene([MadeUp.look(MadeUp.observation([]))]), TerminalSize(columns: 80, rows: 24))
        #expect(!running.contains { $0.pieces.first?.style == .alarm })
    }

    /// Fault: an order to kill a number that is somebody else's here.
    @Test func whatCannotBeSeenIsSaid() {
        var process = MadeUp.process(.hung(silent: .seconds(12)))
        process.isSeen = false
        let warning = TopText.warning(process, at: MadeUp.calendar) ?? ""
        #expect(warning.contains("it lives") && warning.contains("cannot be seen from here (/proc hides process 4711"), "\(warning)")
    }

    @Test func aBackendsPageHasItsConnectionsOnly() {
        let connections = [MadeUp.connection(1, slot: 2, age: 5), MadeUp.connection(2, slot: 1), MadeUp.connection(3, slot: 2, age: 500, bytes: 9)]
        var scene = MadeUp.scene([MadeUp.look(MadeUp.observation([MadeUp.backend(1), drained], connections))])
        for key in [Key.down, .down, .enter] { _ = scene.view.take(key, among: scene.items, rows: 9) }
        let lines = scene.texts(100, 24)
        #expect(lines.contains { $0.contains("web/web-2  127.0.0.1:9002") } && lines.contains { $0.contains("12 of 50 connections") })
        let rows = lines.compactMap { line in line.firstRange(of: /1-[0-9]+/).map { String(line[$0]) } }
        #expect(rows == ["1-3", "1-1"], "the oldest first: \(lines)")
        _ = scene.view.take(.character("b"), among: scene.items, rows: 9)
        #expect(scene.items == [.connection(connections[2].id), .connection(connections[0].id)])
    }

    @Test func onlyThePoolThatWasAskedFor() {
        var observation = MadeUp.observation([MadeUp.backend(1)])
        observation.pools.append(ObservedPool(index: 1, name: "api", balance: "random", backends: [MadeUp.backend(9, "api-1")]))
        let lines = MadeUp.scene([MadeUp.look(observation)], pool: "api").texts(80, 24)
        #expect(lines.contains { $0.contains("api-1") } && !lines.contains { $0.contains("web-1") || $0.contains("listener web") })
    }

    @Test func coloursAreNeverAlone() {
        let line = TopPicture.lines(MadeUp.scene([MadeUp.look(MadeUp.observation([MadeUp.backend(1), drained]))]), TerminalSize(columns: 80, rows: 24))
        let plain = Screen.frame(line, columns: 80, isColoured: false), coloured = Screen.frame(line, columns: 80, isColoured: true)
        let codes = String(decoding: plain, as: UTF8.self).matches(of: /\u{1B}\[([0-9;]+)m/).map { String($0.output.1) }
        #expect(Set(codes).isSubset(of: ["0", "1", "7"]), "NO_COLOR: \(codes)")
        #expect(String(decoding: coloured, as: UTF8.self).contains("\u{1B}[32mavailable"))
    }

    @Test func aLookThatFailsKeepsWhatWasSeen() {
        var scene = MadeUp.scene([MadeUp.look(MadeUp.observation([MadeUp.backend(1)]))])
        scene.trouble = "no statistics: run/lbd.sock.statistics is not there"
        let lines = scene.texts(80, 24)
        #expect(lines.contains { $0.hasPrefix("! no statistics") } && lines.contains { $0.contains("web-1") })
    }
}

extension String {
    fileprivate func replacingOccurrences(of parts: [String]) -> String {
        parts.reduce(self) { text, part in text.split(separator: part, omittingEmptySubsequences: false).joined() }
    }
}
