// A client that keeps its connection for a while, pings on it, goes cleanly and comes back.
import EventLoop
import Model
import SystemCalls

@ControlPlane final class LongClient {
    nonisolated static let life = 1000...4000
    nonisolated static let pingInterval = Duration.milliseconds(50)

    private let number: Int
    private let load: Load
    private var pings = 0
    private var before: Answerer?

    init(_ number: Int, of load: Load) {
        self.number = number
        self.load = load
    }

    /// Until the load ends.
    func run() async {
        while !load.isEnding {
            load.update { $0.openedLong() }
            do {
                try await live(for: .milliseconds(Int.random(in: LongClient.life)))
            } catch {
                load.note(error)
                await pause(for: LongClient.pingInterval)
            }
        }
    }

    /// One connection from its first word to its clean end.
    private func live(for life: Duration) async throws(LoadFailure) {
        let end = Clocks.monotonic().advanced(by: life)
        let (conversation, answerer) = try await load.open()
        load.update { $0.cameBack(from: before, to: answerer) }
        before = answerer
        while !load.isEnding, Clocks.monotonic() < end {
            await pause(for: LongClient.pingInterval)
            pings += 1
            _ = try await load.ask(.ping("\(number)-\(pings)"), on: conversation)
        }
        try await conversation.end()
    }
}
