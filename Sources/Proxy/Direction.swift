// Moving bytes from one party to the other: read, write at once, keep only what could not be written.
import Decisions
import Glibc
import SystemCalls

/// Back-pressure: how much a reader that has stopped can cost.
///
/// The two watermarks are the kernel's. A direction is read until its reader's send buffer is full (the high one), and
/// again when a third of that is free (the low one: then the socket is writable). In between nothing is read, so that
/// of the last read alone a part is held here; where bytes are spliced, a pipe holds it. Two directions: two buffers.
enum BackPressure {
    /// Most that one direction holds in this process: what one read brings, behind a header of ours.
    static let heldMax = ReadBuffer.capacity + ProxyAnnouncement.bytesMax
}

/// Bytes that were read but not yet written: allocated for exactly these, freed with the last of them.
struct Leftover {
    // Owned by the flow; `start` is nil exactly when `count` is 0.
    private var start: UnsafeMutableRawPointer?
    private var offset32: Int32 = 0
    private var count32: Int32 = 0
    private(set) var count: Int {
        get { Int(count32) }
        set { count32 = Int32(newValue) }
    }
    private var offset: Int {
        get { Int(offset32) }
        set { offset32 = Int32(newValue) }
    }

    /// Keeps a copy of what a write left over. Only an empty one may be filled.
    mutating func keep(_ bytes: UnsafeRawPointer, count: Int) {
        precondition(self.count == 0 && count > 0, "leftovers are written before more is read")
        precondition(count <= BackPressure.heldMax, "a reader that has stopped costs no more")
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

    /// Forgets bytes that were written already.
    mutating func drop(_ written: Int) {
        precondition(written < count, "a leftover that is all written is discarded")
        offset += written
        count -= written
    }

    /// Moves all of it, to be looked at together with what follows.
    mutating func move(to memory: UnsafeMutableRawPointer) -> Int {
        guard let start else { return 0 }
        memory.copyMemory(from: start + offset, byteCount: count)
        defer { discard() }
        return count
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

    /// `endInSight`: the event in hand says that the source's FIN has arrived. It may be taken from the very event
    /// only, never from a later turn.
    func pump(from source: Party, endInSight: Bool = false) -> Pumped {
        let destination = record[source.other].descriptor
        var moved = 0
        while true {
            if self[flowFrom: source].leftover.count > 0 {
                let before = self[flowFrom: source].leftover.count
                let transfer = self[flowFrom: source].leftover.flush(to: destination)
                if self[flowFrom: source].leftover.count < before { noteTaken(from: source) }
                switch transfer {
                case .end: break
                case .bytes, .wouldBlock: return awaitReader(of: source)
                case .failed(let failure) where Shortage.isOne(failure): return awaitMemory()
                case .failed: return .destinationFailed
                }
            }
            guard let isFlushed = flushPipe(from: source, to: destination) else { return .destinationFailed }
            guard isFlushed else { return awaitReader(of: source) }
            switch self[flowFrom: source].sourceEnd {
            case .open: break
            case .finished, .reset: return .sourceEnded
            }
            guard record[source].readable else { return .waiting }
            guard moved < ConnectionHandle.bytesPerWakeupMax else { return .boundReached }
            if let pipe = self[flowFrom: source].pipe {
                moved += fillPipe(pipe, from: source)
                continue
            }
            let count = read(from: source, toTheEnd: endInSight)
            moved += count
            if count > 0, case .failed = forward(count, from: source, to: destination) { return .destinationFailed }
            if !self[flowFrom: source].hasPending { noteRead(count, from: source) }
        }
    }

    /// Fills the worker's buffer from the source and notes what that tells about it: how many bytes there are.
    /// With the end in sight it reads until it meets it, so that the last bytes and the FIN leave together.
    /// `offset`: bytes at the buffer's start that stay.
    fileprivate func read(from source: Party, toTheEnd: Bool, behind offset: Int = 0) -> Int {
        let memory = worker.state.readBuffer.start + offset
        let capacity = ReadBuffer.capacity - offset
        let descriptor = record[source].descriptor
        var filled = 0
        while filled < capacity {
            let room = capacity - filled
            switch Sockets.receive(descriptor, into: memory + filled, capacity: room) {
            case .bytes(let count):
                filled += count
                guard count < room, !toTheEnd, !record[source].resetSeen else { continue }
                believeEmpty(source)
                return filled
            case .end:
                self[flowFrom: source].sourceEnd = record[source].resetSeen ? .reset : .finished
                return filled
            case .wouldBlock:
                record[source].readable = false
                // A call on this socket has failed, and what had arrived before is read: nothing more will come.
                if record[source].resetSeen { self[flowFrom: source].sourceEnd = .reset }
                return filled
            case .failed(let failure) where Shortage.isOne(failure):
                believeEmpty(source)
                return filled
            case .failed:
                // Data that arrived before the reset has been read by now: the kernel gives it first.
                record[source].resetSeen = true
                self[flowFrom: source].sourceEnd = .reset
                return filled
            }
        }
        return filled
    }

    /// After a short read the socket is empty, most probably; asking would cost a call per message. Two things can
    /// still lie behind it without a further edge: a reset that came together with the data, and bytes after an
    /// urgent mark. The sweep at the next tick finds them.
    func believeEmpty(_ source: Party) {
        record[source].readable = false
        guard !record.needsSweep else { return }
        record.needsSweep = true
        worker.fileForSweep(self)
    }

    private func forward(_ count: Int, from source: Party, to destination: Int32) -> Transfer {
        let buffer = worker.state.readBuffer
        account(bytes: count, from: source)
        let isLast = self[flowFrom: source].sourceEnd == .finished
        let transfer = Sockets.send(destination, from: buffer.start, count: count, isLast: isLast)
        worker.noteWritten()
        switch transfer {
        case .bytes(let sent) where sent < count:
            self[flowFrom: source].leftover.keep(buffer.start + sent, count: count - sent)
        case .wouldBlock:
            self[flowFrom: source].leftover.keep(buffer.start, count: count)
        case .failed(let failure) where Shortage.isOne(failure):
            self[flowFrom: source].leftover.keep(buffer.start, count: count)
            return .wouldBlock
        case .bytes, .end, .failed:
            break
        }
        return transfer
    }

    /// The kernel is short of memory, and no edge will say when it has some again: the next tick tries.
    func awaitMemory() -> Pumped {
        record.needsSweep = true
        worker.fileForSweep(self)
        return .waiting
    }
}

/// What a call fails with that says nothing about the peer.
enum Shortage {
    static func isOne(_ errorNumber: Int32) -> Bool { errorNumber == ENOBUFS || errorNumber == ENOMEM }
}

/// What the client had sent before a backend was reached, waiting to be written first.
struct FirstBytes {
    /// Bytes at the start of the worker's buffer, fresh from the read.
    fileprivate let fresh: Int
    /// Bytes that an earlier attempt could not write lie in the flow's leftover.
    fileprivate let kept: Bool

    var isEmpty: Bool { fresh == 0 && !kept }
}

extension ConnectionHandle {
    /// Reads what the client has sent already, unless it will be held; its end or reset is noted in the flow.
    func readFirst() -> FirstBytes {
        record.readAhead = willBeHeld ? 0 : read(from: .client, toTheEnd: false)
        return FirstBytes(fresh: record.readAhead, kept: false)
    }

    /// The same, with a header of ours in front.
    func readFirst(behind header: ProxyAnnouncement) -> FirstBytes {
        worker.state.readBuffer.put(header)
        record.readAhead = willBeHeld ? 0 : read(from: .client, toTheEnd: false, behind: header.count)
        return FirstBytes(fresh: header.count + record.readAhead, kept: false)
    }

    /// Fills the worker's buffer with the first bytes that were kept and what the client has sent since: how many.
    func readFurther(endInSight: Bool) -> Int {
        let kept = record.toBackend.leftover.move(to: worker.state.readBuffer.start)
        return kept + read(from: .client, toTheEnd: endInSight, behind: kept)
    }

    /// The client's first `count` bytes, as they lie in the worker's buffer.
    func firstBytes(of count: Int) -> FirstBytes {
        record.readAhead = count
        return FirstBytes(fresh: count, kept: false)
    }

    /// Keeps `count` bytes of the worker's buffer until more have come.
    func keepFirst(_ count: Int) {
        if count > 0 { record.toBackend.leftover.keep(worker.state.readBuffer.start, count: count) }
    }

    /// The first `count` bytes in the worker's buffer, with our header in the place of the client's, `length` long.
    func firstBytes(of count: Int, with header: ProxyAnnouncement, insteadOf length: Int) -> FirstBytes {
        let start = worker.state.readBuffer.start
        memmove(start + header.count, start + length, count - length)
        worker.state.readBuffer.put(header)
        return FirstBytes(fresh: header.count + count - length, kept: false)
    }

    /// Another header of ours in the place of the one before the client's bytes, if there is one.
    func replaceHeader(of first: FirstBytes, with header: ProxyAnnouncement) -> FirstBytes {
        let count = inBuffer(first)
        return firstBytes(of: count, with: header, insteadOf: count - record.readAhead)
    }

    /// What our own header before the client's bytes says.
    func announcedOrigin(_ first: FirstBytes) -> ProxyOrigin? {
        let count = inBuffer(first)
        keepFirst(count)
        switch worker.state.readBuffer.withBytes(count, ProxyHeader.read) {
        case .header(let origin, _): return origin
        case .needsMore, .invalid: return nil
        }
    }

    /// Moves all of them to the start of the worker's buffer: how many.
    private func inBuffer(_ first: FirstBytes) -> Int {
        first.fresh > 0 && record.toBackend.leftover.count == 0 ? first.fresh : record.toBackend.leftover.move(to: worker.state.readBuffer.start)
    }

    /// After an attempt that failed: what it could not write is kept by now, unless it failed before it tried.
    func unwritten(of first: FirstBytes) -> FirstBytes { record.toBackend.leftover.count > 0 ? keptFirst : first }

    /// Saves fresh bytes from the worker's buffer, which the next connection will use.
    func keep(_ first: FirstBytes) {
        guard first.fresh > 0 else { return }
        record.toBackend.leftover.keep(worker.state.readBuffer.start, count: first.fresh)
    }

    var keptFirst: FirstBytes { FirstBytes(fresh: 0, kept: record.toBackend.leftover.count > 0) }

    /// Writes the first bytes to a backend whose connect has been started: `connected` when the kernel took some,
    /// so there is a connection and they are never sent to another; else the connect's own answer.
    func write(_ first: FirstBytes, or start: ConnectStart) -> ConnectStart {
        if first.fresh > 0 {
            let buffer = worker.state.readBuffer
            let transfer = Sockets.send(record.backend.descriptor, from: buffer.start, count: first.fresh)
            if case .bytes(first.fresh) = transfer { return .connected }
            record.toBackend.leftover.keep(buffer.start, count: first.fresh)
            if case .bytes(let sent) = transfer {
                record.toBackend.leftover.drop(sent)
                return .connected
            }
            if case .failed(let failure) = transfer { return .failed(errorNumber: failure) }
            return start
        }
        let before = record.toBackend.leftover.count
        let transfer = record.toBackend.leftover.flush(to: record.backend.descriptor)
        guard record.toBackend.leftover.count == before else { return .connected }
        return switch transfer {
        case .failed(let failure): .failed(errorNumber: failure)
        case .bytes, .end, .wouldBlock: start
        }
    }
}


/// One buffer per worker: every read goes through it, nothing stays in it between two calls.
struct ReadBuffer {
    static let capacity = 64 * 1024
    /// Owned by the worker, as long as its thread runs.
    let start: UnsafeMutableRawPointer

    /// With room for a header of ours in the place of a shorter one, when the buffer is full.
    init() { start = .allocate(byteCount: BackPressure.heldMax, alignment: 4096) }

    func withBytes<Result>(_ count: Int, _ body: (Span<UInt8>) -> Result) -> Result {
        body(UnsafeRawBufferPointer(start: start, count: count).bindMemory(to: UInt8.self).span)
    }

    /// Writes the header to the start.
    func put(_ header: ProxyAnnouncement) {
        for index in 0..<header.count { start.storeBytes(of: header[index], toByteOffset: index, as: UInt8.self) }
    }

    func free() { start.deallocate() }
}
