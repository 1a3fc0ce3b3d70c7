// The file behind the segment: found a place, recorded where others look for it, removed at the end or by the next start.
import Glibc
import SystemCalls

package enum SegmentFile {
    /// Where its file may lie, the best first.
    package static func folders(runtimeFolder: String?) -> [String] {
        ["/dev/shm"] + (runtimeFolder.map { [$0] } ?? []) + ["/run"]
    }

    /// The record of the segment's path in a state directory, and the one for whoever knows only the control socket.
    package static func record(inStateDirectory folder: String) -> String { Files.resolve("statistics", in: folder) }
    package static func record(beside control: String) -> String { control + ".statistics" }

    package static func write(record: String, path: String) throws(SystemError) {
        try Files.replace(record, with: Array((path + "\n").utf8))
    }

    /// The path in a record; ENOENT where there is none, EINVAL where it says something else.
    package static func read(record: String) throws(SystemError) -> String {
        let text = String(decoding: try Files.read(record, bytesMax: 4096), as: UTF8.self)
        let path = text.prefix { $0 != "\n" }
        guard path.hasPrefix("/"), text.utf8.count == path.utf8.count + 1, !path.utf8.contains(0) else { throw SystemError("read", EINVAL, on: record) }
        return String(path)
    }

    /// The segment that the record names, where a crash has left it. Nil: there is no record, or it names a file that is no
    /// segment of ours, or one whose lbd lives: the record may be a copy.
    package static func left(record: String) throws(SystemError) -> String? {
        let path: String
        do throws(SystemError) { path = try read(record: record) } catch {
            guard error.errorNumber != ENOENT else { return nil }
            throw error
        }
        return try isLeft(path) ? path : nil
    }

    /// Removes the segment that a crash has left, and its record in any case. The path of what was removed.
    package static func removeLeft(record: String) throws(SystemError) -> String? {
        let path = try left(record: record)
        if let path { try Files.remove(path) }
        if Files.exists(record) { try Files.remove(record) }
        return path
    }

    /// A segment by its name, its owner and its first bytes; and no lbd holds it.
    private static func isLeft(_ path: String) throws(SystemError) -> Bool {
        guard hasName(path), Files.exists(path) else { return false }
        let file: FileParts
        do throws(SystemError) { file = try FileParts(path) } catch { return false }
        guard try file.owner() == geteuid(), try !file.isHeld() else { return false }
        return try file.read(at: 0, count: SegmentHeader.magic.count) == SegmentHeader.magic
    }

    static func name(process: Int32, turn: Int) -> String { "lbd-\(process)\(turn == 0 ? "" : "-\(turn)").statistics" }

    private static func hasName(_ path: String) -> Bool {
        let name = path.split(separator: "/").last ?? ""
        guard name.hasPrefix("lbd-"), name.hasSuffix(".statistics") else { return false }
        return name.dropFirst(4).dropLast(11).allSatisfy { $0 == "-" || $0.isASCII && $0.isNumber }
    }

    /// In the first folder that takes it; the last failure where none does.
    static func make(bytes: Int, in folders: [String], first: Int) throws(SystemError) -> MemoryFile {
        var failure = SystemError("open", ENOENT)
        for folder in folders {
            do throws(SystemError) { return try make(bytes: bytes, in: folder, first: first) } catch { failure = error }
        }
        throw failure
    }

    /// Another process of the same number may have left its own.
    private static func make(bytes: Int, in folder: String, first: Int) throws(SystemError) -> MemoryFile {
        for turn in 0..<64 {
            do throws(SystemError) {
                let file = try MemoryFile(Files.resolve(name(process: Processes.own, turn: turn), in: folder), bytes: bytes, mode: 0o640)
                do throws(SystemError) { try file.reserve(0..<first) } catch {
                    try Files.remove(file.path)
                    throw error
                }
                return file
            } catch {
                guard error.errorNumber == EEXIST else { throw error }
            }
        }
        throw SystemError("open", EEXIST, on: folder)
    }
}
