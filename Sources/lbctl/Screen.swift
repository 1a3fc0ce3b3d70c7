// The whole terminal as our screen: taken, drawn on a frame at a time, and given back whatever happens.
import EventLoop
import Model
import SystemCalls

@ControlPlane final class Screen {
    /// The other screen, no cursor, no line that wraps by itself; and all of that undone.
    nonisolated private static let enter = "\u{1B}[?1049h\u{1B}[?25l\u{1B}[?7l\u{1B}[2J"
    nonisolated private static let leave = "\u{1B}[?7h\u{1B}[?25h\u{1B}[0m\u{1B}[?1049l"
    /// A terminal that takes nothing for so long (Ctrl-S, a dead line) is left as it is.
    private static let patience = Duration.seconds(1)

    private let terminal: RawTerminal
    private let isColoured: Bool
    /// What the terminal has not taken yet of the frame before.
    private var rest: ArraySlice<UInt8> = []
    private(set) var isTaken = false
    var hasRest: Bool { !rest.isEmpty }

    init(isColoured: Bool) throws(SystemError) {
        terminal = try RawTerminal()
        self.isColoured = isColoured
    }

    var size: TerminalSize { terminal.size }
    var number: Int32 { terminal.number }

    /// Nothing while another job has the terminal: asked again, it may be ours.
    func take() throws(SystemError) {
        guard isForeground else { return }
        isTaken = true
        try terminal.take(farewell: Screen.leave)
        rest = Array(Screen.enter.utf8)[...]
        try flush()
    }

    /// A shell has had it meanwhile.
    func lose() { isTaken = false }

    private var isForeground: Bool { terminal.isForeground }

    /// Also half-way through a frame. What cannot be done any more is not.
    func giveBack() {
        guard isTaken else { return }
        isTaken = false
        guard isForeground else { return }
        do throws(SystemError) {
            // A sequence that was cut off in the middle ends with ESC, which begins the next.
            rest = Array(Screen.leave.utf8)[...]
            while try !flush() { guard terminal.isWritable(within: Screen.patience) else { break } }
        } catch {
            // The terminal is gone: nobody is left to see the cursor.
        }
        do throws(SystemError) { try terminal.giveBack() } catch { return }
    }

    /// All lines in one write, each over what stood in its place, so that nothing flickers. While the terminal has not
    /// taken the frame before, this one is left out: false.
    @discardableResult func draw(_ lines: [ScreenLine], columns: Int) throws(SystemError) -> Bool {
        guard isTaken, isForeground else { return true }
        guard try flush() else { return false }
        rest = Screen.frame(lines, columns: columns, isColoured: isColoured)[...]
        try flush()
        return true
    }

    /// What stands behind a line is erased, unless it fills the screen: the cursor stands on its last character then.
    nonisolated static func frame(_ lines: [ScreenLine], columns: Int, isColoured: Bool) -> [UInt8] {
        var bytes = Array("\u{1B}[H".utf8)
        for (index, line) in lines.enumerated() {
            if index > 0 { bytes.append(contentsOf: "\r\n".utf8) }
            line.append(to: &bytes, isColoured: isColoured)
            if line.width < columns { bytes.append(contentsOf: "\u{1B}[K".utf8) }
        }
        return bytes
    }

    /// Another size, or something else has written: what stands there is worth nothing.
    func clear() throws(SystemError) {
        guard isTaken, isForeground, rest.isEmpty else { return }
        rest = Array("\u{1B}[2J".utf8)[...]
        try flush()
    }

    /// What has been typed; empty: the terminal is gone; nil: nothing for us.
    func read() throws(SystemError) -> [UInt8]? { isTaken && isForeground ? try terminal.read() : nil }

    /// True: nothing is left.
    @discardableResult func flush() throws(SystemError) -> Bool {
        while !rest.isEmpty {
            let taken = try terminal.write(rest)
            guard taken > 0 else { return false }
            rest = rest.dropFirst(taken)
        }
        return true
    }
}
