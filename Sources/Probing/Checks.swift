// The checks themselves: one attempt each, asking for service and not for a sign of life.
import Decisions
import EventLoop
import Glibc
import Model
import SystemCalls

@ControlPlane enum Checks {
    /// Most that is heard, in bytes: whoever talks on without end has not answered.
    private static let heardMax = 512 * 1024

    /// One probe, ended at `timeout`.
    static func run(_ check: HealthConfiguration.Check, of target: ProbeTarget, timeout: Duration) async -> ProbeResult {
        switch check {
        case .none: return .success
        case .connect:
            do throws(SocketFailure) {
                _ = try await connect(target, timeout)
                return .success
            } catch {
                return result(of: error, "connect", timeout)
            }
        case .banner(let send, let expect, let match):
            return await ask(target, Array((send ?? "").utf8), BannerAnswer(expect: expect, match: match), "banner", timeout)
        case .http(let request):
            return await ask(target, request.bytes(to: target.endpoint), HTTPAnswer(to: request), "http", timeout)
        case .command(let words):
            return await CommandCheck.run(words, for: target, timeout: timeout)
        }
    }

    private static func connect(_ target: ProbeTarget, _ timeout: Duration) async throws(SocketFailure) -> AsyncSocket {
        try await AsyncSocket.connect(to: target.endpoint, from: target.source, deadline: Clocks.monotonic().advanced(by: timeout))
    }

    /// Says `words`, after the header that the backend waits for, and hears the answer until it is certain.
    private static func ask(
        _ target: ProbeTarget, _ words: [UInt8], _ answer: some ProbeAnswer, _ name: String, _ timeout: Duration
    ) async -> ProbeResult {
        var answer = answer
        do throws(SocketFailure) {
            let socket = try await connect(target, timeout)
            let header = ProxyAnnouncement(.unknown, as: target.sendProxy)
            let first = (0..<header.count).map { header[$0] } + words
            if !first.isEmpty { try await say(first, on: socket) }
            var heard = 0
            while heard < heardMax {
                let more = try await socket.receive(bytesMax: 4096)
                guard !more.isEmpty else { return answer.end() }
                if let result = answer.take(more) { return result }
                heard += more.count
                // What is there already is not waited for: without this nobody else would have a turn.
                await Task.yield()
            }
            return .failure(reason: "\(name): no end of the answer in its first \(heardMax / 1024) KiB\(answer.soFar.map { ": \($0)" } ?? "")")
        } catch {
            return result(of: error, name, timeout, soFar: answer.soFar)
        }
    }

    /// A backend that has spoken and left is heard all the same.
    private static func say(_ words: [UInt8], on socket: AsyncSocket) async throws(SocketFailure) {
        do throws(SocketFailure) { try await socket.send(words) } catch {
            guard case .system(let failure) = error, failure.errorNumber == EPIPE || failure.errorNumber == ECONNRESET else { throw error }
        }
    }

    private static func result(of failure: SocketFailure, _ name: String, _ timeout: Duration, soFar: String? = nil) -> ProbeResult {
        let came = soFar.map { "; so far: \($0)" } ?? ""
        switch failure {
        case .system(let error) where error.isShortage: return .inconclusive(reason: "\(error)")
        case .system(let error): return .failure(reason: "\(error)\(came)")
        case .deadlinePassed: return .failure(reason: "\(name): not done within \(timeout.spoken)\(came)")
        case .cancelled: return .inconclusive(reason: "\(name): cancelled")
        }
    }
}
