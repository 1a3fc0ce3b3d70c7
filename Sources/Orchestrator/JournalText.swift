// The journal's lines as text: one JSON object each, and back.
import ControlProtocol
import FoundationEssentials
import Rollout

package enum JournalText {
    /// Without the newline.
    package static func line(_ record: JournalRecord) -> [UInt8] { Array(JSONText.line(record).utf8) }

    package static func record(_ line: [UInt8]) throws(JournalError) -> JournalRecord {
        do { return try JSONDecoder().decode(JournalRecord.self, from: Data(line)) } catch let error as JournalError {
            throw error
        } catch {
            throw JournalError("it is not a record of this journal: \(error)")
        }
    }

    /// A record with the value that the line after it must carry. `pools`: of the lines before it.
    package static func read(_ line: [UInt8], _ pools: inout JournalPools) throws(JournalError) -> JournalLine {
        JournalLine(record: try pools.whole(try record(line)), value: JournalChain.value(of: line))
    }
}
