// Sockets of the control plane. Faults: a line that the net splits or joins, a line without end that eats the memory, a
// half-closed peer (`echo status | socat …`) taken for one that has gone.
import EventLoop
import Glibc
import Model
import SystemCalls
import TestSupport
import Testing

/// A socket on the loop, and its peer.
@ControlPlane private func pair() throws -> (AsyncSocket, BlockingSocket) {
    let (peer, number) = try BlockingSocket.pair()
    return (AsyncSocket(owning: Descriptor(owning: number)), peer)
}

private func line(_ text: String) -> AsyncSocket.Line { .line(Array(text.utf8)) }

@Suite(.serialized) struct AsyncSocketDeadlineTests {
    @Test func everyWaitEndsAtTheDeadline() async throws {
        let backend = try TestBackend { while case .success = $0.receive() {} }
        defer { backend.stop() }
        try await onLoop {
            let deadline = Clocks.monotonic().advanced(by: .milliseconds(100))
            let socket = try await AsyncSocket.connect(to: backend.endpoint, deadline: deadline)
            for _ in 0..<2 {
                let failure = await #expect(throws: SocketFailure.self) { try await socket.receive() }
                #expect(failure == .deadlinePassed)
            }
            let late = deadline.duration(to: Clocks.monotonic())
            #expect(late >= .zero && late < .seconds(10))
        }
    }

    /// A probe must not fail because we stood still: what has come in time, or meanwhile, has come.
    @Test func whatCameDuringAStandstillOfOursCounts() async throws {
        let backend = try TestBackend { peer in
            try peer.send("here")
            while case .success = peer.receive() {}
        }
        defer { backend.stop() }
        try await onLoop {
            let deadline = Clocks.monotonic().advanced(by: .milliseconds(100))
            let socket = try await AsyncSocket.connect(to: backend.endpoint, deadline: deadline)
            let reader = startThrowing { try await socket.receive() }
            await Task.yield()
            poll(nil, 0, 300)
            #expect(try await reader.value == Array("here".utf8))
        }
    }
}

struct AsyncSocketLineTests {
    @Test func linesJoinedAndEmpty() async throws {
        try await onLoop {
            let (socket, peer) = try pair()
            try peer.send("one\ntwo\r\n\n\r\nfive\r\r\nrest")
            for expected in ["one", "two", "", "", "five\r"] { #expect(try await socket.line(bytesMax: 10) == line(expected)) }
            peer.finish()
            // A last part without a newline may be the half of a command.
            #expect(try await socket.line(bytesMax: 10) == .end)
            #expect(try await socket.line(bytesMax: 10) == .end)
        }
    }

    @Test func aLineInManyPieces() async throws {
        try await onLoop {
            let (socket, peer) = try pair()
            let reader = startThrowing { try await socket.line(bytesMax: 100) }
            for piece in ["sta", "t", "", "us we", "b\nne"] {
                try peer.send(piece)
                await pause(for: .milliseconds(1))
            }
            #expect(try await reader.value == line("status web"))
            try peer.send("xt\n")
            #expect(try await socket.line(bytesMax: 100) == line("next"))
        }
    }

    /// Property: however the bytes are cut, the same lines come out.
    @Test func anyCutGivesTheSameLines() async throws {
        var random = SeededGenerator(seed: SeededGenerator.seed)
        for _ in 0..<50 {
            let lines = (0..<20).map { _ in String(repeating: "x", count: Int.random(in: 0...300, using: &random)) }
            var rest = Array((lines.joined(separator: "\n") + "\n").utf8)[...]
            var pieces: [[UInt8]] = []
            while !rest.isEmpty {
                let size = min(rest.count, Int.random(in: 1...400, using: &random))
                pieces.append(Array(rest.prefix(size)))
                rest = rest.dropFirst(size)
            }
            try await onLoop { [pieces] in
                let (socket, peer) = try pair()
                let writer = startThrowing { for piece in pieces { try peer.send(piece); await Task.yield() } }
                for expected in lines { #expect(try await socket.line(bytesMax: 300) == line(expected), "SEED=\(SeededGenerator.seed)") }
                try await writer.value
            }
        }
    }

    @Test func tooLongIsThrownAwayAndTheNextLineIsWhole() async throws {
        try await onLoop {
            let (socket, peer) = try pair()
            let writer = start { await Task.yield(); return try? peer.send(String(repeating: "a", count: 11) + "\nnext\n") }
            #expect(try await socket.line(bytesMax: 10) == .tooLong)
            #expect(try await socket.line(bytesMax: 10) == line("next"))
            _ = await writer.value
            try peer.send(String(repeating: "b", count: 10) + "\n")
            #expect(try await socket.line(bytesMax: 10) == line("bbbbbbbbbb"))
        }
    }

    /// What is there now, and no wait: also in the middle of a line that is thrown away.
    @Test func linesAtHand() async throws {
        try await onLoop {
            let (socket, peer) = try pair()
            #expect(try socket.lineAtHand(bytesMax: 10) == nil)
            try peer.send("one\ntw")
            #expect(try socket.lineAtHand(bytesMax: 10) == line("one"))
            #expect(try socket.lineAtHand(bytesMax: 10) == nil)
            try peer.send("o\naaaaaaaaaaa")
            #expect(try socket.lineAtHand(bytesMax: 10) == line("two"))
            #expect(try socket.lineAtHand(bytesMax: 10) == nil)
            try peer.send("a\nnext\nhalf")
            peer.finish()
            #expect(try socket.lineAtHand(bytesMax: 10) == .tooLong)
            #expect(try socket.lineAtHand(bytesMax: 10) == line("next"))
            #expect(try socket.lineAtHand(bytesMax: 10) == .end)
            #expect(try await socket.line(bytesMax: 10) == .end)
        }
    }

    /// A megabyte without a newline is not kept.
    @Test func anEndlessLineEnds() async throws {
        try await onLoop {
            let (socket, peer) = try pair()
            let writer = startThrowing { try await onThread { try peer.send([UInt8](repeating: 0, count: 1 << 20)); peer.finish() } }
            #expect(try await socket.line(bytesMax: 64 * 1024) == .tooLong)
            #expect(try await socket.line(bytesMax: 64 * 1024) == .end)
            try await writer.value
        }
    }
}

struct AsyncSocketTests {
    @Test func aHalfClosedPeerStillGetsItsAnswer() async throws {
        try await onLoop {
            let (socket, peer) = try pair()
            try peer.send("status\n")
            peer.finish()
            #expect(try await socket.line(bytesMax: 100) == line("status"))
            #expect(try await socket.line(bytesMax: 100) == .end)
            try await socket.send(Array("answer\n".utf8))
            socket.shutdownWrite()
            #expect(peer.receiveAll().bytes == Array("answer\n".utf8))
        }
    }

    /// More than the socket's buffer: the send waits for the reader, and nothing is lost.
    @Test func aLongSendWaitsForItsReader() async throws {
        let sent = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }
        let received = try await onLoop {
            let (socket, peer) = try pair()
            let reader = startThrowing { try await onThread { peer.receiveAll().bytes } }
            try await socket.send(sent)
            socket.shutdownWrite()
            return try await reader.value
        }
        #expect(received == sent)
    }

    @Test func aRefusedConnectIsAnErrorWithItsEndpoint() async throws {
        let silent = try Sockets.bind(.ipv4(0x7F00_0001, port: 0))
        let endpoint = try Sockets.localEndpoint(of: silent.number)
        await #expect(throws: SocketFailure.system(SystemError("connect", ECONNREFUSED, on: endpoint.description))) {
            try await onLoop { _ = try await AsyncSocket.connect(to: endpoint) }
        }
    }

    @Test func cancellingEndsAWaitForBytes() async throws {
        try await onLoop {
            let (socket, _) = try pair()
            let (other, peer) = try pair()
            let reader = startThrowing { try await other.line(bytesMax: 10) }
            await pause(for: .milliseconds(2))
            reader.cancel()
            await #expect(throws: SocketFailure.cancelled) { try await reader.value }
            // What was cancelled can be asked again.
            try peer.send("x\n")
            #expect(try await other.line(bytesMax: 10) == line("x"))
            _ = socket
        }
    }

    @Test func listenerAcceptsOneAfterTheOther() async throws {
        try await onLoop {
            let bound = try Sockets.bind(.ipv4(0x7F00_0001, port: 0))
            let endpoint = try Sockets.localEndpoint(of: bound.number)
            try Sockets.listen(bound.number, backlog: 5)
            let listener = AsyncListener(owning: bound)
            for _ in 0..<3 {
                let client = start { try? await AsyncSocket.connect(to: endpoint) }
                let accepted = try await listener.accept()
                try await accepted.send([7])
                #expect(try await client.value?.receive(bytesMax: 10) == [7])
            }
            let waiting = startThrowing { try await listener.accept() }
            waiting.cancel()
            await #expect(throws: SocketFailure.cancelled) { _ = try await waiting.value }
        }
    }
}

struct HungUpTests {
    @Test func aHalfClosedPeerIsNotGone() async throws {
        try await onLoop {
            let (socket, peer) = try pair()
            #expect(!socket.isHungUp)
            peer.finish()
            #expect(!socket.isHungUp)
            peer.close()
            #expect(socket.isHungUp)
        }
    }
}
