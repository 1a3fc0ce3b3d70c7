// Clients that come, ask once and go, at a steady rate that does not wait for the answers.
import EventLoop
import Model
import SystemCalls

@ControlPlane final class ShortClients {
    private let load: Load

    init(of load: Load) { self.load = load }

    /// Until the load ends; returns when the last client has gone.
    func run() async {
        guard load.settings.rate > 0 else { return }
        let interval = Duration.seconds(1) / load.settings.rate
        await withDiscardingTaskGroup { group in
            // A schedule, not a pause after each: a slow balancer is not spared the clients that it should have served.
            var due = Clocks.monotonic()
            while !load.isEnding {
                group.addTask { await self.visit() }
                due = due.advanced(by: interval)
                await pause(for: Clocks.monotonic().duration(to: due))
            }
        }
    }

    private func visit() async {
        load.update { $0.openedShort() }
        do {
            try await load.open().conversation.end()
        } catch {
            load.note(error)
        }
    }
}
