// lbctl rollout show: what happened, line by line, from the journal.
import ArgumentParser
import ControlProtocol
import EventLoop
import Model
import Orchestrator
import Rollout
import SystemCalls

struct RolloutShowCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Prints what happened in a rollout, line by line.",
        discussion: "With -o json the journal's records, as they are.")

    @OptionGroup var global: GlobalOptions
    @OptionGroup var choice: RolloutChoice

    func perform(_ console: Console) async -> ExitStatus {
        await about(console) { () throws(Failure) in
            let reading = try RolloutReading(try choice.folder(global))
            if global.isJSON {
                try RolloutShowCommand.records(of: reading.folder).forEach(console.data)
            } else {
                RolloutTimeline.lines(reading, columns: console.rewrites ? Terminal.columns(1) : nil).forEach(console.data)
            }
            if let warning = reading.warning { console.message("lbctl: warning: \(warning)") }
            return .done
        }
    }

    private static func records(of folder: RolloutFolder) throws(Failure) -> [String] {
        do throws(SystemError) {
            return try JournalContent(reading: folder.journal).lines.map { String(decoding: $0, as: UTF8.self) }
        } catch { throw Failure(.failed, "\(error)") }
    }
}

/// The story of a rollout as lines for a terminal.
enum RolloutTimeline {
    /// `columns`: of the terminal, for the picture of the steps.
    static func lines(_ reading: RolloutReading, columns: Int?) -> [String] {
        let history = reading.history
        let rows = history.entries.map { entry in
            [
                String(entry.at.rfc3339.dropFirst(11).prefix(8)), "+" + entry.elapsed.spoken, mark(entry.weight), entry.backend ?? "",
                entry.text,
            ]
        }
        let call: [String] = history.begin.commandLine.map(\.shellQuoted)
        var lines: [String] = Array(reading.report.lines.prefix(1))
        lines += ["called as: " + call.joined(separator: " "), ""]
        lines += StatusTable.table([["TIME", "", "", "BACKEND", "WHAT"]] + rows)
        return lines + [""] + picture(history, columns: columns ?? 100)
    }

    private static func mark(_ weight: RolloutHistory.Weight) -> String {
        switch weight {
        case .plain: ""
        case .warning: "!"
        case .failure: "FAILED"
        }
    }

    /// One row a backend, one letter a part of its time.
    private static func picture(_ history: RolloutHistory, columns: Int) -> [String] {
        let name = history.nodes.map { $0.backend.count }.max() ?? 0
        let width = max(10, columns - name - 4)
        let total = max(history.elapsed.inSeconds, 0.001)
        let rows = history.nodes.map { node in
            var cells = [Character](repeating: ".", count: width)
            for span in node.spans {
                let from = min(width - 1, Int(span.from.inSeconds / total * Double(width)))
                let to = min(width - 1, Int((span.to ?? history.elapsed).inSeconds / total * Double(width)))
                for cell in from...max(from, to) { cells[cell] = letter(span) }
            }
            return "  " + node.backend + String(repeating: " ", count: name - node.backend.count) + "  " + String(cells)
        }
        return rows + ["  " + String(repeating: " ", count: name) + "  d drain, R restart, p probes, w warm up, o watched, B rollback, h held, X failed"]
    }

    private static func letter(_ span: RolloutHistory.Span) -> Character {
        if case .failed = span.end { return "X" }
        switch span.phase {
        case .drain: return "d"
        case .restart: return "R"
        case .ready: return "p"
        case .warm: return "w"
        case .watch: return "o"
        case .rollback: return "B"
        case .held: return "h"
        }
    }
}
