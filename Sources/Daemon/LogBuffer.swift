// Lines that wait for the log's reader: bounded, and what found no room is counted and told in its place.
import SystemCalls

struct LogBuffer {
    /// Bytes.
    private let capacity: Int
    private var bytes: [UInt8] = []
    /// What stands before it is written.
    private var start = 0
    /// Lines for which there was no room behind those that wait.
    private var lostBehind = 0
    /// Lines that the output has not taken, before those that wait.
    private var lostBefore = 0
    /// Why, of the last of them.
    private var failure: Int32?
    /// What a notice at the front says, which is not written yet.
    private var announced = 0
    /// Within a line: the last write has taken a part of it.
    private var isTorn = false
    /// All the lines that were ever lost.
    private(set) var lostTotal: UInt64 = 0

    /// How a number of lost lines is told; `failure`: of an output that did not take them, in words.
    typealias Notice = (_ lines: Int, _ failure: String?) -> [UInt8]

    init(capacity: Int) { self.capacity = capacity }

    private var count: Int { bytes.count - start }
    var isEmpty: Bool { count == 0 }

    /// There was no room for the last line, and so there is none for the next before half of the room is free again.
    private(set) var isFull = false

    /// One line with its end.
    mutating func append(_ line: [UInt8]) {
        if count + line.count > capacity { isFull = true }
        guard !isFull else { return lose(1) }
        bytes += line
    }

    /// Lines that were not even made.
    mutating func lose(_ lines: Int) {
        isFull = true
        lostBehind += lines
        lostTotal += UInt64(lines)
    }

    mutating func countLost(_ lines: Int) { lostTotal += UInt64(lines) }

    /// Lines were lost, and it is not said yet.
    var owesNotice: Bool { lostBefore > 0 }

    enum Outcome: Equatable { case done, wouldBlock, failed(errorNumber: Int32) }

    /// Writes until all is written or the output takes no more; what it refuses is lost.
    mutating func flush(to output: LineOutput, _ notice: Notice) -> Outcome {
        if lostBefore > 0 { announceFront(notice(lostBefore, failure.map(SystemError.words))) }
        while true {
            if isFull, count <= capacity / 2 { announceBehind(notice(lostBehind, nil)) }
            guard count > 0 else {
                trim()
                return .done
            }
            switch output.write(bytes, from: start) {
            case .bytes(let written): advance(by: written)
            case .wouldBlock:
                trim()
                return .wouldBlock
            case .failed(let failure):
                loseAll(failure)
                return .failed(errorNumber: failure)
            }
        }
    }

    /// Another output comes next: of a line that was begun it does not get the rest.
    mutating func changeOutput() {
        guard tornCount > 0 else { return isTorn = false }
        start += tornCount
        isTorn = false
        lostTotal += 1
        lostBefore += 1
    }

    private mutating func advance(by written: Int) {
        start += written
        announced = 0
        isTorn = written > 0 && bytes[start - 1] != 0x0A
    }

    private mutating func announceFront(_ notice: [UInt8]) {
        bytes.insert(contentsOf: notice, at: start + tornCount)
        (announced, lostBefore) = (lostBefore, 0)
    }

    private mutating func announceBehind(_ notice: [UInt8]) {
        bytes += notice
        (isFull, lostBehind) = (false, 0)
    }

    /// Bytes of the line of which a part is written.
    private var tornCount: Int {
        guard isTorn, let end = bytes[start...].firstIndex(of: 0x0A) else { return 0 }
        return end + 1 - start
    }

    /// The rest of a line that was begun stays: it is written first when the output takes something again.
    private mutating func loseAll(_ failure: Int32) {
        self.failure = failure
        let torn = Array(bytes[start..<(start + tornCount)])
        let lines = bytes[(start + torn.count)...].count { $0 == 0x0A } - (announced > 0 ? 1 : 0)
        lostTotal += UInt64(lines)
        lostBefore += announced + lines + lostBehind
        (announced, lostBehind, isFull) = (0, 0, false)
        (bytes, start) = (torn, 0)
    }

    /// The memory of a burst is given back.
    private mutating func trim() {
        guard start > 0 else { return }
        if count == 0 {
            if bytes.capacity > 64 * 1024 { bytes = [] } else { bytes.removeAll(keepingCapacity: true) }
        } else if start >= capacity / 2 {
            bytes.removeFirst(start)
        } else {
            return
        }
        start = 0
    }
}
