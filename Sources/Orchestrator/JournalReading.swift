// A journal read for people: every line a record, tied to the one before; what is damaged is told by its line.
import ControlProtocol
import Model
import Rollout
import SystemCalls

/// A journal that cannot be taken for what a rollout wrote.
package struct JournalDamage: Error, Equatable, CustomStringConvertible {
    /// From 1, as an editor counts.
    package let line: Int
    package let reason: String
    package var description: String { "line \(line): \(reason)" }
}

extension JournalContent {
    /// Every line must be a record and carry the value of the line before it.
    package func records() throws(JournalDamage) -> [JournalLine] {
        var records: [JournalLine] = []
        records.reserveCapacity(lines.count)
        var pools = JournalPools()
        for (index, line) in lines.enumerated() {
            let read: JournalLine
            do throws(JournalError) { read = try JournalText.read(line, &pools) } catch {
                throw JournalDamage(line: index + 1, reason: error.description)
            }
            let before = records.last
            guard read.record.chain == before?.value ?? JournalChain.first, read.record.sequence == index else {
                throw JournalDamage(line: index + 1, reason: "it does not follow the line before: one of them was altered, or lines were cut out, put in or moved")
            }
            records.append(read)
        }
        return records
    }
}

/// A rollout as its journal tells it.
package struct RolloutReading: Sendable {
    package let folder: RolloutFolder
    package let history: RolloutHistory
    /// A last line that was never finished.
    package let warning: String?
    /// That carries it out now.
    package let process: Int32?

    package init(_ folder: RolloutFolder) throws(Failure) {
        self.folder = folder
        let content: JournalContent
        do throws(SystemError) {
            content = try JournalContent(reading: folder.journal)
            process = try folder.holder()
        } catch {
            throw Failure(.failed, "\(error)")
        }
        warning = content.warning
        history = try RolloutReading.history(content, folder)
    }

    private static func history(_ content: JournalContent, _ folder: RolloutFolder) throws(Failure) -> RolloutHistory {
        let records: [JournalLine]
        do throws(JournalDamage) { records = try content.records() } catch {
            throw Failure(.failed, "\(folder.journal): \(error); for all that is wrong with it: lbctl rollout verify \(folder.id)")
        }
        guard let history = RolloutHistory(records.lazy.map(\.record)) else {
            throw Failure(.failed, "\(folder.journal): \(records.isEmpty ? "it has no line: the rollout was killed before it began" : "line 1: it does not begin a rollout")")
        }
        return history
    }

    package var report: RolloutReport { RolloutReport(history, in: folder, process: process, at: Clocks.calendar()) }
}
