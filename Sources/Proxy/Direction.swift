// Moving bytes from one party to the other: read, write at once, keep only what could not be written.
import Glibc
import SystemCalls

/// Bytes that were read but not yet written: allocated for exactly these, freed with the last of them.
struct Leftover {
    // Owned by the flow; `start` is nil exactly when `count` is 0.
    private var start: UnsafeMutableRawPointer?
    private var offset = 0
    private(set) var count = 0

    /// Keeps a copy of what a write left over. Only an empty one may be filled.
    mutating func keep(_ bytes: UnsafeRawPointer, count: Int) {
        precondition(self.count == 0 && count > 0, "leftovers are written before more is read")
        let memory = UnsafeMutableRawPointer.allocate(byteCount: count, alignment: 16)
        memory.copyMemory(from: bytes, byteCount: count)
        (start, offset, self.count) = (memory, 0, count)
    }

    /// Writes as much as the descriptor takes now.
    mutating func flush(to descriptor: Int32) -> Transfer {
        while count > 0, let start {
            let transfer = Sockets.send(descriptor, from: start + offset, count: count)
            guard case .bytes(let sent) = transfer else { return transfer }
            offset += sent
            count -= sent
        }
        discard()
        return .end
    }

    mutating func discard() {
        start?.deallocate()
        (start, offset, count) = (nil, 0, 0)
    }
}

/// Why moving stopped.
enum Pumped {
    /// Nothing to do until an event says otherwise.
    case waiting
    /// The bound per wake-up is reached and there may be more: to be continued next round.
    case boundReached
    /// The source has ended and everything it sent is written.
    case sourceEnded
    /// The destination is gone: a write said so.
    case destinationFailed
}

extension ConnectionHandle {
    /// Most bytes that one connection moves in one direction per wake-up, so that one stream cannot starve others.
    private static var bytesPerWakeupMax: Int { 256 * 1024 }

    func pump(from source: Party) -> Pumped {
        let destination = record[source.other].descriptor
        var moved = 0
        while true {
            if record[flowFrom: source].leftover.count > 0 {
                switch record[flowFrom: source].leftover.flush(to: destination) {
                case .end: break
                case .bytes, .wouldBlock: return .waiting
                case .failed: return .destinationFailed
                }
            }
            switch record[flowFrom: source].sourceEnd {
            case .open: break
            case .finished, .reset: return .sourceEnded
            }
            guard record[source].readable else { return .waiting }
            guard moved < ConnectionHandle.bytesPerWakeupMax else { return .boundReached }
            switch read(from: source) {
            case .bytes(let count):
                moved += count
                if case .failed = forward(count, from: source, to: destination) { return .destinationFailed }
            case .end:
                record[flowFrom: source].sourceEnd = record[source].resetSeen ? .reset : .finished
            case .wouldBlock:
                record[source].readable = false
            case .failed:
                // Data that arrived before the reset has been read by now: the kernel gives it first.
                record[source].resetSeen = true
                record[flowFrom: source].sourceEnd = .reset
            }
        }
    }

    private func read(from source: Party) -> Transfer {
        let buffer = worker.state.readBuffer
        let transfer = Sockets.receive(record[source].descriptor, into: buffer.start, capacity: ReadBuffer.capacity)
        if case .bytes(let count) = transfer, count < ReadBuffer.capacity, !record[source].resetSeen {
            // The socket is empty, most probably; asking would cost a call per message. Two things can still lie
            // behind a short read without a further edge: a reset that came together with the data, and bytes
            // after an urgent mark. The sweep at the next tick finds them.
            record[source].readable = false
            if !record.needsSweep {
                record.needsSweep = true
                worker.fileForSweep(self)
            }
        }
        return transfer
    }

    private func forward(_ count: Int, from source: Party, to destination: Int32) -> Transfer {
        let buffer = worker.state.readBuffer
        account(bytes: count, from: source)
        let transfer = Sockets.send(destination, from: buffer.start, count: count)
        switch transfer {
        case .bytes(let sent) where sent < count:
            record[flowFrom: source].leftover.keep(buffer.start + sent, count: count - sent)
        case .wouldBlock:
            record[flowFrom: source].leftover.keep(buffer.start, count: count)
        case .bytes, .end, .failed:
            break
        }
        return transfer
    }
}

extension ConnectionRecord {
    /// The flow that begins at `source`.
    subscript(flowFrom source: Party) -> Flow {
        @inline(__always) _read { if source == .client { yield toBackend } else { yield toClient } }
        @inline(__always) _modify { if source == .client { yield &toBackend } else { yield &toClient } }
    }
}

/// One buffer per worker: every read goes through it, nothing stays in it between two calls.
struct ReadBuffer {
    static let capacity = 64 * 1024
    /// Owned by the worker, as long as its thread runs.
    let start: UnsafeMutableRawPointer

    init() { start = .allocate(byteCount: ReadBuffer.capacity, alignment: 4096) }
    func free() { start.deallocate() }
}
