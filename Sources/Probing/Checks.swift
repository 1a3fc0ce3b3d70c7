// The checks themselves: one attempt each, asking for service and not for a sign of life.
import Decisions
import EventLoop
import Model
import SystemCalls

enum Checks {
    /// One probe, ended at `timeout`. `sendProxy`: the header that the backend waits for before it says a word.
    @ControlPlane static func run(
        _ check: HealthConfiguration.Check, at endpoint: Endpoint, from source: IPAddress? = nil, sendProxy: SendProxy, timeout: Duration
    ) async -> ProbeResult {
        do {
            try await withDeadline(timeout) {
                switch check {
                case .none: return
                case .connect: _ = try await AsyncSocket.connect(to: endpoint, from: source)
                case .banner(let send, let expect):
                    let header = ProxyAnnouncement(.unknown, as: sendProxy)
                    try await banner(header: header, send: send, expect: expect, at: endpoint, from: source)
                }
            }
            return .success
        } catch let passed as DeadlinePassed {
            return .failure(reason: "\(words(for: check)): \(passed)")
        } catch SocketFailure.system(let error) where error.isShortage {
            return .inconclusive(reason: "\(error)")
        } catch {
            return .failure(reason: "\(error)")
        }
    }

    private struct WrongBanner: Error, CustomStringConvertible {
        let description: String
    }

    /// The expected bytes may come in as many pieces as they like; the first that differs ends the probe.
    @ControlPlane private static func banner(
        header: ProxyAnnouncement, send: String?, expect: String, at endpoint: Endpoint, from source: IPAddress?
    ) async throws {
        let socket = try await AsyncSocket.connect(to: endpoint, from: source)
        let words = (0..<header.count).map { header[$0] } + Array((send ?? "").utf8)
        if !words.isEmpty { try await socket.send(words) }
        let expected = Array(expect.utf8)
        var received: [UInt8] = []
        while received.count < expected.count {
            let more = try await socket.receive(bytesMax: 4096)
            guard !more.isEmpty else {
                throw WrongBanner(description: "banner: the backend ended after \(received.count) of \(expected.count) bytes")
            }
            received += more
            guard expected.starts(with: received.prefix(expected.count)) else {
                let seen = String(decoding: received.prefix(expected.count + 20), as: UTF8.self).escapedForOneLine
                throw WrongBanner(description: "banner: expected '\(expect.escapedForOneLine)', got '\(seen)'")
            }
        }
    }

    private static func words(for check: HealthConfiguration.Check) -> String {
        switch check {
        case .none: "no check"
        case .connect: "connect"
        case .banner: "banner"
        }
    }
}
