// The writer of one rollout's journal: numbers the records, chains them, and keeps the rollout's clock.
import EventLoop
import Model
import Rollout
import SystemCalls

@ControlPlane package final class JournalRecorder {
    private let journal: Journal
    private(set) package var records: [JournalRecord]
    private var chain: String
    private var pools = JournalPools()
    private let clock = LoopClock()
    /// When the rollout began, by this machine's clock.
    private let origin: MonotonicTime

    /// For a rollout that begins.
    package init(_ journal: Journal) {
        self.journal = journal
        records = []
        chain = JournalChain.first
        origin = clock.now
    }

    /// For one that is resumed: its time goes on, by the calendar where no clock ran through.
    package init(_ journal: Journal, after lines: [JournalLine]) {
        self.journal = journal
        records = lines.map(\.record)
        chain = lines.last?.value ?? JournalChain.first
        let last = records.last.map { record in
            record.elapsed + .milliseconds(max(0, Clocks.calendar().milliseconds - record.at.milliseconds))
        }
        origin = clock.now.advanced(by: .zero - (last ?? .zero))
        for line in lines { _ = pools.shortened(line.record) }
    }

    package var elapsed: Duration { origin.duration(to: clock.now) }

    /// Returns when all of them are on the disk. One caller at a time.
    package func append(_ contents: [JournalRecord.Content], at elapsed: Duration) async throws(SystemError) {
        var lines: [[UInt8]] = []
        for content in contents {
            let record = JournalRecord(
                sequence: records.count, at: Clocks.calendar(), elapsed: elapsed, chain: chain, content: content)
            let line = JournalText.line(pools.shortened(record))
            chain = JournalChain.value(of: line)
            records.append(record)
            lines.append(line)
        }
        try await journal.append(lines)
    }
}
