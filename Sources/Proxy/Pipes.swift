// Bulk directions: bytes go from socket to socket through a pipe, without passing through user memory.
//
// A direction that proves to be bulk borrows a pipe from its worker and gives it back when it goes quiet. Pipes are
// counted against the descriptor budget; where none is to be had the direction goes on copying.
import Glibc
import SystemCalls

/// A pipe on loan, and what lies in it. Owned by one flow at a time; a pipe with bytes in it is never lent again.
struct Pipe {
    let readEnd: Int32
    let writeEnd: Int32
    /// Bytes that were read from the source and not yet written to the destination.
    var count = 0

    func close() {
        Glibc.close(readEnd)
        Glibc.close(writeEnd)
    }
}

/// A worker's pipes.
struct PipePool {
    /// Most pipes that this worker has open, lent ones included.
    let openMax: Int
    private var open = 0
    private var idle: [Pipe] = []

    init(openMax: Int) { self.openMax = openMax }

    /// Nil: the budget is used up, or the kernel has none (EMFILE, ENFILE, ENOMEM).
    mutating func borrow() -> Pipe? {
        if let pipe = idle.popLast() { return pipe }
        guard open < openMax, let ends = Splice.openPipe() else { return nil }
        open += 1
        return Pipe(readEnd: ends.readEnd, writeEnd: ends.writeEnd)
    }

    /// The last one that comes back closes the pool: descriptors are not kept for nobody.
    mutating func giveBack(_ pipe: Pipe) {
        if pipe.count == 0 {
            idle.append(pipe)
        } else {
            pipe.close()
            open -= 1
        }
        if idle.count == open { closeAll() }
    }

    mutating func closeAll() {
        for pipe in idle { pipe.close() }
        open -= idle.count
        idle = []
    }
}

/// When a direction counts as bulk: so many bytes in a row, in reads of at least so many.
enum Bulk {
    static let bytesToProve: Int32 = 128 * 1024
    static let readMin = 16 * 1024
    /// Failures of splice itself that say nothing about the peer: the direction goes on copying.
    static func isOurs(_ errorNumber: Int32) -> Bool {
        errorNumber == EINVAL || Shortage.isOne(errorNumber)
    }

    /// Asked for per call: more than a pipe of default size holds, so the pipe is the bound.
    static let bytesPerCall = 256 * 1024
}

extension ConnectionHandle {
    /// Notes a read of `count` bytes by copying; borrows a pipe when the direction has proved to be bulk.
    func noteRead(_ count: Int, from source: Party) {
        guard count >= Bulk.readMin, record.splice != .off, self[flowFrom: source].sourceEnd == .open else {
            self[flowFrom: source].bulkBytes = 0
            return
        }
        self[flowFrom: source].bulkBytes += Int32(count)
        guard self[flowFrom: source].bulkBytes >= Bulk.bytesToProve else { return }
        self[flowFrom: source].pipe = worker.state.pipes.borrow()
        self[flowFrom: source].bulkBytes = 0
    }

    /// With `splice: on`, when there is something to read. The sweep does not ask for it: it would borrow a pipe for
    /// every quiet direction. Nor does a flow whose pipe could not tell what comes: the copying read does.
    func borrowPipeIfForced(from source: Party) {
        guard record.splice == .on, record[source].readable, !self[flowFrom: source].isEnded,
            self[flowFrom: source].pipe == nil
        else { return }
        self[flowFrom: source].pipe = worker.state.pipes.borrow()
    }

    /// Writes what lies in the flow's pipe: true when it is empty (or there is none), nil when a write failed.
    func flushPipe(from source: Party, to destination: Int32) -> Bool? {
        while let pipe = self[flowFrom: source].pipe, pipe.count > 0 {
            switch Splice.move(from: pipe.readEnd, to: destination, count: pipe.count) {
            case .bytes(let moved):
                worker.noteWritten()
                noteTaken(from: source)
                self[flowFrom: source].pipe!.count -= moved
            case .wouldBlock: return false
            case .failed(let failure) where Bulk.isOurs(failure):
                _ = awaitMemory()
                return false
            case .end, .failed: return nil
            }
        }
        return true
    }

    /// Fills the flow's empty pipe from the source. 0: there is nothing now, or something that splice cannot tell
    /// (an end, an error, an urgent mark): the copying read finds out which.
    func fillPipe(_ pipe: Pipe, from source: Party) -> Int {
        switch Splice.move(from: record[source].descriptor, to: pipe.writeEnd, count: Bulk.bytesPerCall) {
        case .bytes(let moved):
            self[flowFrom: source].pipe!.count += moved
            account(bytes: moved, from: source)
            return moved
        case .wouldBlock:
            // Nothing, most probably; the sweep makes sure, and takes the pipe from a direction gone quiet.
            believeEmpty(source)
            return 0
        case .end:
            givePipeBack(from: source)
            return 0
        case .failed(let failure):
            // A reset is reported once, by whichever call comes first; the copying read would see a clean end.
            if !Bulk.isOurs(failure) { record[source].resetSeen = true }
            givePipeBack(from: source)
            return 0
        }
    }

    func givePipeBack(from source: Party) {
        guard let pipe = self[flowFrom: source].pipe else { return }
        self[flowFrom: source].pipe = nil
        worker.state.pipes.giveBack(pipe)
    }

    /// At a tick: an empty pipe goes back; a direction that is still bulk will prove it again.
    func givePipeBackIfEmpty(from source: Party) {
        guard let pipe = self[flowFrom: source].pipe, pipe.count == 0 else { return }
        givePipeBack(from: source)
    }
}
