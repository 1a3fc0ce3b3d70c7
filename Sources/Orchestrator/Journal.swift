// A rollout's journal on the disk: one process appends, a line is safe before what it says is done.
import ControlProtocol
import EventLoop
import Model
import SystemCalls

@ControlPlane package final class Journal {
    package nonisolated let folder: RolloutFolder
    /// Held as long as this lives, and gone with the process: one process carries a rollout out.
    private let lock: ProcessLock
    private let file: AppendedFile
    private var isAppending = false
    /// Why nothing more can be written; then the rollout must not go on.
    private var failure: SystemError?

    private init(_ folder: RolloutFolder, _ lock: consuming ProcessLock, _ file: AppendedFile) {
        self.folder = folder
        self.lock = lock
        self.file = file
    }

    /// A journal without a line, in a folder that is new.
    package static func create(in folder: RolloutFolder) throws(SystemError) -> Journal {
        let lock = try ProcessLock(folder.lock)
        return Journal(folder, lock, try AppendedFile(creating: folder.journal))
    }

    /// One that is there, to be continued, and its lines. A torn last line, which a kill or a full disk leaves, is cut
    /// off. Refused where another process has it, or where it is damaged.
    package static func open(_ folder: RolloutFolder) throws(Failure) -> (journal: Journal, content: JournalContent) {
        do throws(SystemError) {
            let lock = try ProcessLock(folder.lock)
            // Read only now: before, another process may have written.
            let content = try JournalContent(reading: folder.journal)
            return (Journal(folder, lock, try AppendedFile(opening: folder.journal, keeping: content.wholeBytes)), content)
        } catch {
            guard error.call == "lock", error.isHeldByAnother else { throw Failure(.failed, "\(error)") }
            throw Failure(.refused, "rollout \(folder.id) is carried out by another process already" + holder(of: folder))
        }
    }

    package func append(_ line: [UInt8]) async throws(SystemError) { try await append([line]) }

    private static func holder(of folder: RolloutFolder) -> String {
        do throws(SystemError) { return try folder.holder().map { ", \($0)" } ?? "" } catch { return "" }
    }

    /// Returns when the lines are on the disk, by one write and one fsync: they are written together, as what follows
    /// from one input does, or not at all but for a part that a kill leaves. Without their newlines. After a failure
    /// nothing more is written: what comes later would stand without what was before it. One caller at a time.
    package func append(_ lines: [[UInt8]]) async throws(SystemError) {
        precondition(!isAppending, "a journal has one writer")
        precondition(!lines.contains { $0.contains(0x0A) }, "a record is one line")
        if let failure { throw failure }
        isAppending = true
        defer { isAppending = false }
        let file = self.file
        let bytes = Array(lines.map { $0 + [0x0A] }.joined())
        do throws(SystemError) {
            // An fsync may take as long as the disk likes: leases are renewed meanwhile.
            try await inBackground { () throws(SystemError) in try file.append(bytes) }
        } catch {
            failure = error
            throw error
        }
    }
}

/// A journal as it is read: whole lines, and what is left of one that was not finished.
package struct JournalContent: Equatable, Sendable {
    /// 200 000 records of 300 bytes; no rollout comes near it.
    package static let bytesMax = 256 << 20

    /// Without their newlines.
    package let lines: [[UInt8]]
    /// Bytes after the last newline: a line that was being written when its writer was killed.
    package let tornBytes: Int
    var wholeBytes: Int { lines.reduce(0) { $0 + $1.count + 1 } }

    package init(reading path: String) throws(SystemError) {
        self.init(try Files.read(path, bytesMax: JournalContent.bytesMax))
    }

    init(_ bytes: [UInt8]) {
        var lines: [[UInt8]] = []
        var start = 0
        while let end = bytes[start...].firstIndex(of: 0x0A) {
            lines.append(Array(bytes[start..<end]))
            start = end + 1
        }
        self.lines = lines
        tornBytes = bytes.count - start
    }

    /// For people; nil where the last line is whole.
    package var warning: String? {
        tornBytes == 0 ? nil : "the journal ends with \(counted(tornBytes, "byte")) of a line that was never finished; it is left out"
    }
}
