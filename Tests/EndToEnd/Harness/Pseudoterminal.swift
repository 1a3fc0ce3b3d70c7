// A program on a terminal of its own: keys go in, what it draws comes out, and the terminal's settings are seen.
import Foundation
import Glibc
import Model
import Synchronization
import SystemCalls
import Testing

final class Pseudoterminal: Sendable {
    let process: pid_t
    private let master: Descriptor
    private let child: ChildProcess
    private let known = Mutex<ProcessEnd?>(nil)
    private let drawn = Mutex<[UInt8]>([])
    /// The terminal's settings before the program had it.
    private let found: [UInt32]

    /// Starts `arguments` in the lab's folder as the leader of a session whose terminal this is.
    init(_ lab: Lab, _ arguments: [String], columns: UInt16 = 100, rows: UInt16 = 30, environment: String = "unset NO_COLOR; export TERM=xterm") throws {
        let opened = try Files.open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK)
        let number = opened.number
        master = opened
        let path = try Pseudoterminal.unlock(number)
        try Pseudoterminal.resize(number, columns, rows)
        // Open while nobody has it: a terminal without one forgets its settings.
        let keeper = try Files.open(path, O_RDWR | O_NOCTTY)
        found = try Pseudoterminal.settings(number)
        // The leader of a session without a terminal gets the one that it opens first.
        let shell = "cd \"$1\" && exec 0<>\"$2\" >&0 2>&0 && shift 2 && \(environment) && exec \"$@\""
        child = try ChildProcess(starting: ["sh", "-c", shell, "sh", lab.folder, path] + arguments, output: nil, leading: .session)
        process = child.process
        let kept = keeper.release()
        lab.atEnd {
            close(kept)
            self.destroy()
        }
    }

    /// The other end's path. Swift's Glibc has neither unlockpt nor ptsname.
    private static func unlock(_ number: Int32) throws -> String {
        let setLock = UInt(0x4004_5431), getNumber = UInt(0x8004_5430) // TIOCSPTLCK, TIOCGPTN
        var lock: Int32 = 0, other: UInt32 = 0
        guard ioctl(number, setLock, &lock) == 0, ioctl(number, getNumber, &other) == 0 else { throw SystemError("ioctl", errno, on: "/dev/ptmx") }
        return "/dev/pts/\(other)"
    }

    private static func resize(_ number: Int32, _ columns: UInt16, _ rows: UInt16) throws {
        var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
        guard ioctl(number, UInt(TIOCSWINSZ), &size) == 0 else { throw SystemError("TIOCSWINSZ", errno) }
    }

    func resize(columns: UInt16, rows: UInt16) throws { try Pseudoterminal.resize(master.number, columns, rows) }

    func type(_ keys: String) throws { try Files.write(Array(keys.utf8), to: master.number) }

    /// As before the program had it.
    func isRestored() throws -> Bool { try Pseudoterminal.settings(master.number) == found }

    private static func settings(_ number: Int32) throws -> [UInt32] {
        var settings = termios()
        guard tcgetattr(number, &settings) == 0 else { throw SystemError("tcgetattr", errno) }
        return [settings.c_iflag, settings.c_oflag, settings.c_cflag, settings.c_lflag]
    }

    /// Everything that was drawn so far.
    func output() -> String {
        var buffer = [UInt8](repeating: 0, count: 65536)
        return drawn.withLock { drawn in
            while true {
                let count = read(master.number, &buffer, buffer.count)
                guard count > 0 else { return String(decoding: drawn, as: UTF8.self) }
                drawn += buffer[..<count]
            }
        }
    }

    /// The last frame that was drawn whole, without colours: one whose successor has begun, or that nothing follows.
    func frame() -> [String] {
        let frames = output().components(separatedBy: "\u{1B}[H").dropFirst()
        return frames.last.map { $0.replacing(/\u{1B}\[[0-9;?]*[A-Za-z]/, with: "").components(separatedBy: "\r\n") } ?? []
    }

    /// Waits until a frame is as wanted.
    @discardableResult
    func shows(
        _ what: String, within limit: Duration = .seconds(20), at location: SourceLocation = #_sourceLocation, _ wanted: ([String]) -> Bool
    ) throws -> [String] {
        try eventually(within: limit, "\(what); it shows:\n\(frame().joined(separator: "\n"))", at: location) {
            let frame = frame()
            return wanted(frame) ? frame : nil
        }
    }

    /// Waits for its end.
    func end(within limit: Duration = .seconds(20), at location: SourceLocation = #_sourceLocation) throws -> ProcessEnd {
        try eventually(within: limit, "the end of the program on the terminal; it shows:\n\(output())", at: location) {
            // What it draws at its end is taken, lest it waits for that.
            _ = output()
            return try known.withLock { known in
                if known == nil { known = try child.end() }
                return known
            }
        }
    }

    func signal(_ number: Int32) throws {
        guard kill(process, number) == 0 else { throw SystemError("kill", errno) }
    }

    private func destroy() {
        do {
            let isRunning = try known.withLock { known in
                if known == nil { known = try child.end() }
                return known == nil
            }
            guard isRunning else { return }
            try child.signalGroup(SIGKILL)
            _ = try end()
        } catch { Issue.record(error, "while a terminal was cleared up") }
    }
}
