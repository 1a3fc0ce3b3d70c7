// The live view as lines: from what was seen, what moves and what the viewer has chosen to a screen of any size.
import Model
import Statistics
import SystemCalls

/// Everything that a picture shows.
struct TopScene {
    var pace = TopPace()
    var view: TopView
    /// Which balancer, where there are several.
    var label: String?
    /// Only this pool.
    var pool: String?
    /// Why there was no look this time.
    var trouble: String?
    var calendar: Timestamp

    var observation: Observation? { pace.now?.observation }

    var pools: [ObservedPool] {
        let pools = observation?.pools ?? []
        switch view.page {
        case .overview: return pool.map { name in pools.filter { $0.name == name } } ?? pools
        case .pool(let index): return pools.filter { $0.index == index }
        case .backend: return []
        }
    }

    /// Of the backend that is looked at.
    var connections: [ObservedConnection] {
        guard case .backend(let slot) = view.page else { return [] }
        return view.connectionSort.sorted((observation?.connections ?? []).filter { $0.slot == slot })
    }

    func backends(_ pool: ObservedPool) -> [ObservedBackend] { view.sort?.sorted(pool.backends, pace) ?? pool.backends }

    /// What can be selected, in the order shown.
    var items: [TopItem] {
        switch view.page {
        case .overview: pools.flatMap { pool in [.pool(pool.index)] + backends(pool).map { .backend($0.slot) } }
        case .pool: pools.flatMap { backends($0).map { .backend($0.slot) } }
        case .backend: connections.map { .connection($0.id) }
        }
    }
}

enum TopPicture {
    /// Exactly as many lines as the screen has, none longer than it is wide.
    static func lines(_ scene: TopScene, _ size: TerminalSize) -> [ScreenLine] {
        let columns = max(1, size.columns), rows = max(1, size.rows)
        let foot = rows > 2 ? [footer(scene, columns)] : []
        // Some of the rows stay for what is looked at, however much there is to say above.
        let head = Array(header(scene, columns, rows).prefix(max(1, rows - foot.count - min(6, rows / 3))))
        let room = max(0, rows - head.count - foot.count)
        let body = Array((scene.view.showsHelp ? TopHelp.lines(columns) : TopBody(scene, columns).lines(room)).prefix(room))
        let filling = [ScreenLine](repeating: .empty, count: room - body.count)
        return (head + body + filling + foot).prefix(rows).map { $0.cut(to: columns) }
    }

    /// Rows that the body has on a screen, for keys that turn pages.
    static func bodyRows(_ scene: TopScene, _ size: TerminalSize) -> Int {
        let head = min(header(scene, max(1, size.columns), size.rows).count, max(1, size.rows - 1 - min(6, size.rows / 3)))
        return max(1, size.rows - 1 - head)
    }

    private static func header(_ scene: TopScene, _ columns: Int, _ rows: Int) -> [ScreenLine] {
        var lines = scene.label.map { [ScreenLine($0 + " (Tab: the next of \(scene.view.balancers))", .faint)] } ?? []
        if let observation = scene.observation {
            lines.append(ScreenLine(TopText.title(observation.process, at: scene.calendar), .bold))
            lines += TopText.load(observation).wrapped(to: columns).map { ScreenLine($0) }
            if let warning = TopText.warning(observation.process, at: scene.calendar) { lines += banner(warning, columns) }
        }
        if let trouble = scene.trouble { lines += banner(trouble, columns) }
        guard let observation = scene.observation, !scene.view.showsHelp else { return lines + [.empty] }
        switch scene.view.page {
        case .overview, .pool:
            lines += listeners(observation, scene, rows)
            lines.append(.empty)
            lines.append(TopColumns.titles(TopColumns.backends(scene.pools, scene.pace, width: columns)))
        case .backend(let slot):
            if let (pool, backend) = observation.backend(slot) { lines += TopDetail.lines(backend, of: pool, scene, columns) }
            lines.append(TopColumns.titles(TopColumns.connections(scene.connections, width: columns)))
        }
        return lines
    }

    private static func banner(_ text: String, _ columns: Int) -> [ScreenLine] {
        text.wrapped(to: columns - 2).enumerated().map { ScreenLine(($0.offset == 0 ? "! " : "  ") + $0.element, .alarm) }
    }

    /// A sixth of the screen at most; what is left out is said.
    private static func listeners(_ observation: Observation, _ scene: TopScene, _ rows: Int) -> [ScreenLine] {
        let shown = Set(scene.pools.map(\.name))
        let listeners = observation.listeners.filter { shown.contains($0.pool) || scene.view.page == .overview && scene.pool == nil }
        let most = max(1, rows / 6)
        let lines = listeners.prefix(most).map { listener in
            ScreenLine("listener \(listener.name) \(listener.bind) -> \(listener.pool): \(listener.connections) connections, "
                + "\(TopText.rate(scene.pace.rate(listener)))/s" + (listener.refused > 0 ? ", \(listener.refused) refused" : ""))
        }
        let hidden = listeners.count - lines.count
        return lines + (hidden > 0 ? [ScreenLine("and \(counted(hidden, "listener")) more: 'lbctl top --once' shows all", .faint)] : [])
    }

    /// As many of the keys as fit, the most needed ones first.
    private static func footer(_ scene: TopScene, _ columns: Int) -> ScreenLine {
        let view = scene.view
        var parts: [String] = view.isPaused ? ["PAUSED"] : []
        parts += ["q quit", "? help"]
        if view.stops.count > 1 { parts.append("esc back") }
        switch view.page {
        case .overview: parts += ["enter open", "sort: c r f t b n" + (view.sort.map { " (\($0.rawValue))" } ?? "")]
        case .pool: parts += ["enter open", "sort: c r f t b n" + (view.sort.map { " (\($0.rawValue))" } ?? "")]
        case .backend: parts.append("sort: a i b n (\(view.connectionSort.rawValue))")
        }
        parts += ["j k select", "p pause", "+ - every \(view.interval.written)"]
        if view.balancers > 1 { parts.insert("tab next", at: 2) }
        var text = ""
        for part in parts where text.utf8.count + part.utf8.count + 2 <= columns { text += (text.isEmpty ? " " : "  ") + part }
        return ScreenLine(text).filled(to: columns, .selected)
    }
}

enum TopHelp {
    static func lines(_ columns: Int) -> [ScreenLine] {
        [ScreenLine("Keys", .bold), .empty]
            + keys.flatMap { key, meaning in
                meaning.wrapped(to: max(10, columns - 17)).enumerated().map { ScreenLine(($0.offset == 0 ? "  \(key)" : "").padded(to: 17) + $0.element) }
            }
            + [.empty] + "Everything comes from the statistics file that lbd leaves in memory: nothing is asked of lbd itself.".wrapped(to: columns).map { ScreenLine($0) }
    }

    private static let keys = [
        ("q, Ctrl-C", "quit"),
        ("arrows, j k", "select; page up and down, g and G for the first and the last"),
        ("Enter", "open a pool, or the connections of a backend"),
        ("Esc", "back"),
        ("c r f t b n", "sort backends by connections, rate, failures, connect time, bytes, name; once more: as in the configuration"),
        ("a i b n", "sort connections by age, idle time, bytes, client"),
        ("p", "pause"),
        ("+ -", "look less or more often"),
        ("Tab", "the next balancer, where --control was given several times"),
        ("Ctrl-L, Ctrl-Z", "draw anew; stop, as any program"),
    ]
}
