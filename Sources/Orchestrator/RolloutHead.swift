// Which rollouts of a store are of the balancers that are meant, and which of them nobody went on with.
import Glibc
import Rollout
import SystemCalls

/// What the first and the last line of a journal say.
package struct RolloutHead: Sendable {
    package let folder: RolloutFolder
    package let begin: JournalBegin
    /// Its journal has its end.
    package let hasEnded: Bool
    /// That carries it out now.
    package let process: pid_t?

    /// Nil where the first line is not there, or begins no rollout.
    package init?(_ folder: RolloutFolder) throws(SystemError) {
        let lines = try JournalContent(reading: folder.journal).lines
        guard let first = lines.first, let last = lines.last, case .begun(let begin)? = RolloutHead.content(first) else { return nil }
        if case .ended? = RolloutHead.content(last) { hasEnded = true } else { hasEnded = false }
        self.folder = folder
        self.begin = begin
        process = try folder.holder()
    }

    private static func content(_ line: [UInt8]) -> JournalRecord.Content? {
        do throws(JournalError) { return try JournalText.record(line).content } catch { return nil }
    }

    /// One of them is enough: it is the same pool behind it.
    package func isAt(_ controls: [String]) -> Bool { begin.balancers.contains { controls.contains($0) } }
}

extension RolloutStore {
    /// Of all that can be read, the oldest first.
    package func heads() throws(SystemError) -> [RolloutHead] {
        var heads: [RolloutHead] = []
        for folder in try folders() {
            if let head = try RolloutHead(folder) { heads.append(head) }
        }
        return heads
    }

    /// Those of these balancers that a process carries out.
    package func running(at controls: [String]) throws(SystemError) -> [RolloutHead] {
        var running: [RolloutHead] = []
        for folder in try folders() where try folder.holder() != nil {
            if let head = try RolloutHead(folder), head.isAt(controls) { running.append(head) }
        }
        return running
    }

    /// The newest of these balancers; older journals are not read.
    package func newest(at controls: [String]) throws(SystemError) -> RolloutHead? {
        for folder in try folders().reversed() {
            if let head = try RolloutHead(folder), head.isAt(controls) { return head }
        }
        return nil
    }
}

extension [RolloutHead] {
    /// The newest of the same pool that began after it: whoever goes on with the older one restarts again what that one has.
    package func overtaking(_ head: RolloutHead) -> RolloutHead? {
        last { $0.folder.id > head.folder.id && $0.begin.pool == head.begin.pool && $0.isAt(head.begin.balancers) }
    }

    /// Not ended, at these balancers, and the newest of their pool there.
    package func toGoOn(at controls: [String]) -> [RolloutHead] {
        filter { !$0.hasEnded && $0.isAt(controls) && overtaking($0) == nil }
    }
}
