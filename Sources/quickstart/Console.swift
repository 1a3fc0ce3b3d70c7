// Lines to standard output and standard error, written at once: a log that is read while it grows.
import SystemCalls

enum Console {
    static func say(_ line: String) { write(line, to: 1) }
    static func complain(_ line: String) { write("quickstart: " + line, to: 2) }

    private static func write(_ line: String, to descriptor: Int32) {
        do {
            try Files.write(Array((line + "\n").utf8), to: descriptor)
        } catch {
            // Nobody reads any more; the exit status still tells.
        }
    }
}
