// The pace of one backend's probes. Faults: a change that is found at the slow interval, a burst of failures that nobody
// looks into or that flips a backend by itself, a new configuration that forgets what is known.
import Decisions
import EventLoop
import Glibc
import Model
import SystemCalls
import TestSupport
import Testing

@testable import Probing

/// A backend to probe, on the loop, and what its prober said.
@ControlPlane private final class Subject {
    let backend: TestBackend
    var said: [(ProbeFinding, String)] = []
    let target: ProbeTarget
    var prober: Prober!

    init(_ configuration: HealthConfiguration, at endpoint: Endpoint? = nil) throws {
        backend = try TestBackend { while case .success = $0.receive() {} }
        target = ProbeTarget(try BackendReference("web/web-1"), at: endpoint ?? backend.endpoint)
        prober = Prober(configuration, of: target) {
            [unowned self] _, reason in
            said.append((prober.history.finding, reason))
        }
    }

    /// Waits until it has found so. No closures: one in `#expect` and one outside of it in the same function became one.
    func finds(_ finding: ProbeFinding, within limit: Duration = Patience.limit) async -> Bool {
        let begin = Clocks.monotonic()
        while prober.history.finding != finding {
            guard begin.duration(to: Clocks.monotonic()) < limit else { return false }
            await pause(for: .milliseconds(5))
        }
        return true
    }

    /// Waits until so many probes have finished.
    func hasProbed(_ count: UInt64) async -> Bool {
        let begin = Clocks.monotonic()
        while prober.history.sequence < count {
            guard begin.duration(to: Clocks.monotonic()) < Patience.limit else { return false }
            await pause(for: .milliseconds(5))
        }
        return true
    }

    func end() {
        prober.stop()
        backend.stop()
    }
}

private func connect(
    interval: Duration, fast: Duration = .milliseconds(50), rise: Int = 2, fall: Int = 3, passive: PassiveHealth? = PassiveHealth()
) -> HealthConfiguration {
    HealthConfiguration(
        check: .connect, interval: interval, fastInterval: fast, timeout: .seconds(20), rise: rise, fall: fall, passive: passive)
}

/// Of a task beside a check.
@ControlPlane private enum Others { static var turns = 0 }

@Suite(.serialized) struct ProberTests {
    @Test func aBurstOfFailuresBringsProbesAtOnceAndTheyDecide() async throws {
        try await onLoop {
            let subject = try Subject(connect(interval: .seconds(3600)))
            defer { subject.end() }
            subject.prober.start()
            #expect(await subject.finds(.up))
            let before = subject.prober.history.sequence
            #expect(subject.prober.noteFailures(2) == nil)
            #expect(subject.prober.noteFailures(1) == 3)
            #expect(await subject.hasProbed(before + 3), "no quick probes")
            #expect(subject.prober.history.finding == .up, "failures alone took it out")
            // Afterwards the slow interval again: no more than those.
            await pause(for: .milliseconds(300))
            #expect(subject.prober.history.sequence <= before + 4)
        }
    }

    @Test func aBurstAtADeadBackendFindsItDownLongBeforeTheInterval() async throws {
        try await onLoop {
            let subject = try Subject(connect(interval: .seconds(3600)))
            defer { subject.end() }
            subject.prober.start()
            #expect(await subject.finds(.up))
            subject.backend.stop()
            #expect(subject.prober.noteFailures(3) == 3)
            #expect(await subject.finds(.down))
        }
    }

    @Test func withoutPassiveHealthNothingIsAsked() async throws {
        try await onLoop {
            let subject = try Subject(connect(interval: .seconds(3600), passive: nil))
            defer { subject.end() }
            subject.prober.start()
            #expect(await subject.finds(.up))
            #expect(subject.prober.noteFailures(1000) == nil)
            #expect(subject.prober.history.sequence == 1)
        }
    }

    @Test func whatChangesIsProbedAtTheFastInterval() async throws {
        try await onLoop {
            let subject = try Subject(connect(interval: .seconds(8), fast: .milliseconds(50), fall: 10))
            defer { subject.end() }
            subject.prober.start()
            #expect(await subject.finds(.up))
            subject.backend.stop()
            // At most one slow interval, and nine fast ones: at the slow one alone it would take 80 seconds.
            #expect(await subject.finds(.down, within: .seconds(50)))
        }
    }

    @Test func aNewConfigurationKeepsWhatWasFound() async throws {
        try await onLoop {
            let subject = try Subject(connect(interval: .seconds(3600)))
            defer { subject.end() }
            subject.prober.start()
            #expect(await subject.finds(.up))
            let before = subject.prober.history.sequence
            subject.prober.change(to: connect(interval: .milliseconds(100), rise: 1, fall: 1), of: subject.target)
            #expect(subject.prober.history.finding == .up)
            #expect(subject.said.count == 1, "told something new: \(subject.said)")
            #expect(await subject.hasProbed(before + 3), "the old pace goes on")
            // Another check takes over too.
            let silent = HealthConfiguration(
                check: .banner(send: nil, expect: "220"), interval: .milliseconds(100), timeout: .milliseconds(100), rise: 1, fall: 2)
            subject.prober.change(to: silent, of: subject.target)
            #expect(subject.prober.history.finding == .up)
            #expect(await subject.finds(.down))
        }
    }

    @Test func withoutACheckItIsUpAndWithOneAgainItStaysSoUntilTheProbesSayOtherwise() async throws {
        try await onLoop {
            let none = HealthConfiguration(check: .none, interval: .seconds(2), timeout: .seconds(1), rise: 2, fall: 3)
            let subject = try Subject(none)
            defer { subject.end() }
            subject.prober.start()
            #expect(subject.prober.history.finding == .up)
            subject.prober.change(to: connect(interval: .milliseconds(100)), of: subject.target)
            #expect(subject.prober.history.finding == .up)
            #expect(await subject.hasProbed(1))
            subject.backend.stop()
            #expect(await subject.finds(.down))
            subject.prober.change(to: none, of: subject.target)
            #expect(subject.prober.history.finding == .up)
            let sequence = subject.prober.history.sequence
            await pause(for: .milliseconds(300))
            #expect(subject.prober.history.sequence == sequence, "probed without a check")
        }
    }

    @Test func stoppedIsStoppedAlsoForANewConfiguration() async throws {
        try await onLoop {
            let subject = try Subject(connect(interval: .milliseconds(50)))
            defer { subject.end() }
            subject.prober.start()
            #expect(await subject.finds(.up))
            subject.prober.stop()
            subject.prober.change(to: connect(interval: .milliseconds(60)), of: subject.target)
            let sequence = subject.prober.history.sequence
            await pause(for: .milliseconds(300))
            #expect(subject.prober.history.sequence == sequence)
            subject.prober.start()
            #expect(await subject.hasProbed(sequence + 1))
        }
    }

    @Test func aTimeoutSaysWhatCameSoFar() async throws {
        let slow = try TestBackend { peer in
            try peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
            while case .success = peer.receive() {}
        }
        defer { slow.stop() }
        let target = ProbeTarget(try BackendReference("web/web-1"), at: slow.endpoint)
        let result = try await onLoop { await Checks.run(.http(HTTPRequest()), of: target, timeout: .seconds(5)) }
        #expect(result == .failure(reason: "http: not done within 5.0 s; so far: 'HTTP/1.1 200 OK'"))
        let silent = try TestBackend { while case .success = $0.receive() {} }
        defer { silent.stop() }
        let nobody = ProbeTarget(try BackendReference("web/web-1"), at: silent.endpoint)
        let none = try await onLoop { await Checks.run(.http(HTTPRequest()), of: nobody, timeout: .milliseconds(200)) }
        #expect(none == .failure(reason: "http: not done within 200 ms"))
    }

    /// Faster than it can be read: as there is always something, the loop would never wait, and so see no timeout either.
    @Test func anAnswerWithoutEndIsJudgedAndHoldsNobodyUp() async throws {
        let endless = try TestBackend { peer in
            try peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            let chunk = "1;" + String(repeating: "x", count: 15_000) + "\r\na\r\n"
            while true { try peer.send(chunk) }
        }
        defer { endless.stop() }
        let target = ProbeTarget(try BackendReference("web/web-1"), at: endless.endpoint)
        try await onLoop {
            let others = start { while await pause(for: .zero) { Others.turns += 1 } }
            let result = await Checks.run(.http(HTTPRequest()), of: target, timeout: Patience.limit)
            others.cancel()
            #expect(result == .failure(reason: "http: no end of the answer in its first 512 KiB: 'HTTP/1.1 200 OK'"))
            #expect(Others.turns > 50, "\(Others.turns)")
        }
    }

    /// No probe leaves a socket behind, whatever came of it.
    @Test func noDescriptorIsLeft() async throws {
        let backend = try TestBackend { try $0.send("HTTP/1.1 200 OK\r\n\r\n") }
        defer { backend.stop() }
        let target = ProbeTarget(try BackendReference("web/web-1"), at: backend.endpoint)
        let checks: [HealthConfiguration.Check] = [
            .connect, .banner(send: "x", expect: "HTTP"), .banner(send: nil, expect: "none"), .http(HTTPRequest()), .command(["true"]),
        ]
        let port = try #require(backend.endpoint.port)
        for check in checks {
            for _ in 0..<20 { _ = try await onLoop { await Checks.run(check, of: target, timeout: .seconds(5)) } }
        }
        // Told by where they lead: other tests of this process open and close theirs meanwhile.
        #expect(try OpenDescriptors.count(ofRemotePort: port) == 0)
        let children = try OpenDescriptors.countOfReapedChildren()
        #expect(children < 20, "\(children) of 20 commands, and of what other tests run now")
    }
}
