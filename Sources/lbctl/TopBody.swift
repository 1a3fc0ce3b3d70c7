// The part of the live view that scrolls: rows that can be selected, as many as there is room for.
import Model
import Statistics

struct TopBody {
    private enum Row {
        case pool(ObservedPool)
        case backend(ObservedBackend, most: Int)
        case connection(ObservedConnection)
        /// Not to be selected.
        case words(String)

        /// Lines that it takes.
        var height: Int {
            switch self {
            case .backend(let backend, _): backend.drain == nil ? 1 : 2
            case .pool, .connection, .words: 1
            }
        }
    }

    private let scene: TopScene
    private let columns: Int
    private let rows: [Row]
    /// Index of the selected row.
    private let selected: Int?

    init(_ scene: TopScene, _ columns: Int) {
        (self.scene, self.columns) = (scene, columns)
        let rows = switch scene.view.page {
        case .overview, .pool: TopBody.backends(scene)
        case .backend: TopBody.connections(scene)
        }
        let selectable = rows.indices.filter { if case .words = rows[$0] { false } else { true } }
        self.rows = rows
        selected = scene.view.place(among: scene.items).flatMap { $0 < selectable.count ? selectable[$0] : nil }
    }

    private static func backends(_ scene: TopScene) -> [Row] {
        guard scene.observation != nil else { return [] }
        let isOverview = scene.view.page == .overview
        let rows = scene.pools.flatMap { pool -> [Row] in
            let most = pool.backends.map(\.connections).max() ?? 0
            let backends = scene.backends(pool).map { Row.backend($0, most: $0.connectionsMax ?? most) }
            return (isOverview ? [.pool(pool)] : [.words(TopBody.title(pool))]) + (backends.isEmpty ? [.words("no backends")] : backends)
        }
        return rows.isEmpty ? [.words("no pools")] : rows
    }

    private static func connections(_ scene: TopScene) -> [Row] {
        let connections = scene.connections
        guard !connections.isEmpty else { return [.words("no connection holds it")] }
        var rows = connections.map { Row.connection($0) }
        let unread = scene.observation?.unread ?? 0, unlisted = scene.observation?.unlisted ?? 0
        if unread > 0 { rows.append(.words("\(counted(unread, "connection")) changed while they were read: seen at the next look")) }
        if unlisted > 0 { rows.append(.words("\(counted(unlisted, "connection")) beyond the table are counted, not listed")) }
        return rows
    }

    private static func title(_ pool: ObservedPool) -> String {
        let connections = pool.backends.reduce(0) { $0 + $1.connections }
        return "pool \(pool.name) (\(pool.balance)): \(counted(connections, "connection"))" + (TopText.quantiles(pool).map { "; \($0)" } ?? "")
    }

    /// So many at most; around the selected row, where not all of them have room.
    func lines(_ room: Int) -> [ScreenLine] {
        let heights = rows.map(\.height)
        let total = heights.reduce(0, +)
        let start = selected.map { heights[..<$0].reduce(0, +) } ?? 0
        let first = max(0, min(start - (room - (selected.map { heights[$0] } ?? 1)) / 2, total - room))
        var lines: [ScreenLine] = []
        var line = 0
        let table = Table(scene, columns)
        for (index, row) in rows.enumerated() where lines.count < room {
            if line + heights[index] > first {
                // The first may have scrolled half out.
                lines += table.lines(row, isSelected: index == selected).dropFirst(max(0, first - line))
            }
            line += heights[index]
        }
        return Array(lines.prefix(room))
    }

    /// Columns are chosen once for all rows.
    private struct Table {
        let scene: TopScene
        let columns: Int
        let backendColumns: [TopColumn<TopBackendRow>]
        let connectionColumns: [TopColumn<ObservedConnection>]

        init(_ scene: TopScene, _ columns: Int) {
            (self.scene, self.columns) = (scene, columns)
            backendColumns = TopColumns.backends(scene.pools, scene.pace, width: columns)
            connectionColumns = TopColumns.connections(scene.connections, width: columns)
        }

        func lines(_ row: Row, isSelected: Bool) -> [ScreenLine] {
            switch row {
            case .pool(let pool): [mark(ScreenLine("  " + TopBody.title(pool), .bold), isSelected)]
            case .backend(let backend, let most):
                [mark(TopColumns.line(TopBackendRow(backend: backend, most: most), backendColumns), isSelected)] + drain(backend)
            case .connection(let connection): [mark(TopColumns.line(connection, connectionColumns), isSelected)]
            case .words(let words): [ScreenLine("  " + words)]
            }
        }

        private func drain(_ backend: ObservedBackend) -> [ScreenLine] {
            backend.drain.map { [ScreenLine("    " + TopText.drain($0, scene.pace.departure(backend), at: scene.calendar), .faint)] } ?? []
        }

        /// The selected row is reversed, and has a mark for those who see no difference.
        private func mark(_ line: ScreenLine, _ isSelected: Bool) -> ScreenLine {
            guard isSelected else { return line }
            return ScreenLine("> " + line.text.dropFirst(2)).filled(to: columns, .selected)
        }
    }
}
