// Where lbctl writes: data to standard output, messages to standard error, progress in place on a terminal.
import EventLoop
import Model
import SystemCalls

@ControlPlane final class Console {
    /// Whether data may be coloured.
    let isColoured: Bool
    /// Whether progress is one line that is rewritten.
    let rewrites: Bool
    /// Whether each line says which balancer it is from.
    let prefixes: Bool
    /// Data could not be written.
    private(set) var isBroken = false
    private var hasLine = false

    init(prefixes: Bool) {
        self.prefixes = prefixes
        isColoured = Terminal.isTerminal(1) && Environment.value("NO_COLOR") == nil && Environment.value("TERM") != "dumb"
        rewrites = Terminal.isTerminal(2) && Environment.value("TERM") != "dumb"
    }

    func data(_ line: String) {
        clear()
        do throws(SystemError) { try Files.write(Array((line + "\n").utf8), to: 1) } catch { isBroken = true }
    }

    func message(_ line: String) {
        clear()
        complain(line + "\n")
    }

    /// Replaces the line that is being rewritten; for terminals only.
    func progress(_ line: String) {
        complain(Console.rewriting(line, columns: Terminal.columns(2)))
        hasLine = true
    }

    /// What a balancer or a backend said is in it: it gives the terminal no orders, and no second line.
    nonisolated static func rewriting(_ line: String, columns: Int) -> String { "\r\u{1B}[K" + line.escapedControls.prefix(max(10, columns - 1)) }

    func clear() {
        guard hasLine else { return }
        hasLine = false
        complain("\r\u{1B}[K")
    }

    /// Where standard error is gone nobody can be told: what was begun goes on, and the exit status tells.
    private func complain(_ text: String) {
        do throws(SystemError) { try Files.write(Array(text.utf8), to: 2) } catch { return }
    }
}
