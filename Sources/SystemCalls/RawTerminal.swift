// The terminal that we were started from, for programs that draw whole screens and read single keys.
// Invariant: a pointer is lent to one call, and none is kept; what a crash needs is copied by C.
import CLinux
import Glibc

/// Opened anew, so that its flags are ours alone: nothing here blocks, and no shell inherits that. Who takes the terminal
/// gives it back, in every ending but SIGKILL.
package struct RawTerminal: ~Copyable {
    private let descriptor: Descriptor
    /// As the terminal was found.
    private let found: termios

    package var number: Int32 { descriptor.number }
    package var size: TerminalSize { Terminal.size(descriptor.number) }

    package init() throws(SystemError) {
        let opened = try Files.open("/dev/tty", O_RDWR | O_NONBLOCK | O_NOCTTY)
        let number = opened.number
        var settings = termios()
        try checked("tcgetattr", on: "/dev/tty") { tcgetattr(number, &settings) }
        descriptor = opened
        found = settings
    }

    /// Whether the terminal is ours to use: a shell that has gone on to something else gets no surprise from us, and we
    /// are not stopped for trying.
    package var isForeground: Bool {
        let group = tcgetpgrp(descriptor.number)
        return group == -1 || group == getpgrp()
    }

    /// Keys come one by one and unseen; Ctrl-C and its like come as keys too. `farewell`: what is written to the terminal
    /// should this process crash meanwhile, 63 bytes at most.
    package func take(farewell: String) throws(SystemError) {
        var settings = found
        settings.c_lflag &= ~tcflag_t(ECHO | ECHONL | ICANON | ISIG | IEXTEN)
        settings.c_iflag &= ~tcflag_t(IXON | ICRNL | INLCR | IGNCR | ISTRIP | BRKINT)
        settings.c_oflag &= ~tcflag_t(OPOST)
        let given = sluice_give_terminal_back_on_crash(descriptor.number, found, farewell)
        guard given == 0 else { throw SystemError("sigaction", errno) }
        try checked("tcsetattr", on: "/dev/tty") { tcsetattr(descriptor.number, TCSANOW, &settings) }
    }

    /// What was typed ahead goes to whoever reads next.
    package func giveBack() throws(SystemError) {
        sluice_terminal_is_given_back()
        var settings = found
        // Not TCSADRAIN: where the terminal takes nothing more, that would wait for ever.
        try checked("tcsetattr", on: "/dev/tty") { tcsetattr(descriptor.number, TCSANOW, &settings) }
    }

    /// What has been typed; nil: nothing; empty: the terminal is gone.
    package func read() throws(SystemError) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 256)
        do {
            let count = try checked("read", on: "/dev/tty") { Glibc.read(descriptor.number, &bytes, bytes.count) }
            return Array(bytes[..<count])
        } catch where error.errorNumber == EAGAIN {
            return nil
        } catch where error.errorNumber == EIO {
            return []
        }
    }

    /// How many bytes the terminal took, 0 where it takes none now.
    package func write(_ bytes: ArraySlice<UInt8>) throws(SystemError) -> Int {
        do {
            return try checked("write", on: "/dev/tty") {
                bytes.withUnsafeBytes { Glibc.write(descriptor.number, $0.baseAddress, $0.count) }
            }
        } catch where error.errorNumber == EAGAIN {
            return 0
        }
    }

    /// Whether it takes bytes, or will not at all any more, within some time.
    package func isWritable(within limit: Duration) -> Bool {
        var entry = pollfd(fd: descriptor.number, events: Int16(POLLOUT), revents: 0)
        return poll(&entry, 1, Int32(clamping: limit.wholeMilliseconds)) == 1
    }
}

extension Signals {
    /// The terminal has another size; we go on after a stop.
    package static let windowChanged = SIGWINCH
    package static let continued = SIGCONT
    package static let quit = SIGQUIT

    /// Stops this process until somebody lets it go on, as Ctrl-Z does; returns then. At once where nobody could (no shell
    /// waits for it).
    package static func suspend() { Glibc.kill(getpid(), SIGTSTP) }
}
