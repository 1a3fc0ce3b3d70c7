// What the balancer adds: round trips through it and directly to the same backend, in turn.
import EventLoop
import Model
import SystemCalls

@ControlPlane final class HopMeter {
    /// How long a pair of connections measures. A pair ends by itself, so a drain need not wait for long, and
    /// with the connection through the balancer ends the one that the balancer does not know about.
    nonisolated static let life = Duration.seconds(1)
    nonisolated static let interval = Duration.milliseconds(5)
    /// After no pair could be made.
    nonisolated static let retryInterval = Duration.milliseconds(200)

    private let load: Load
    private var endpoints: [String: Endpoint] = [:]
    private var rounds = 0

    init(of load: Load) { self.load = load }

    /// Until the load ends.
    func run() async {
        while !load.isEnding {
            do {
                try await measureOnePair()
            } catch {
                load.note(error)
                await pause(for: HopMeter.retryInterval)
            }
        }
    }

    /// Fails only by what happens through the balancer.
    private func measureOnePair() async throws(LoadFailure) {
        let (through, answerer) = try await load.open()
        guard let direct = await openDirect(to: answerer.name) else {
            await pause(for: HopMeter.retryInterval)
            return try await through.end()
        }
        let end = Clocks.monotonic().advanced(by: HopMeter.life)
        while !load.isEnding, Clocks.monotonic() < end, try await measureOneRound(direct, through) {
            await pause(for: HopMeter.interval)
        }
        await leave(direct)
        try await through.end()
    }

    /// Takes turns in who goes first: the first one wakes everybody up. False where the direct one has ended.
    private func measureOneRound(_ direct: Conversation, _ through: Conversation) async throws(LoadFailure) -> Bool {
        rounds += 1
        let ping = Inquiry.ping("hop-\(rounds)")
        let first = rounds.isMultiple(of: 2) ? await time(ping, direct) : nil
        let throughTime = try await load.ask(ping, on: through).time
        let second = rounds.isMultiple(of: 2) ? nil : await time(ping, direct)
        guard let directTime = first ?? second else { return false }
        load.update { $0.measured(direct: directTime, through: throughTime) }
        return true
    }

    private func time(_ ping: Inquiry, _ direct: Conversation) async -> Duration? {
        do {
            return try await direct.ask(ping).time
        } catch {
            // A backend that ends takes its direct connections along: nobody drains those.
            return nil
        }
    }

    private func leave(_ direct: Conversation) async {
        do {
            try await direct.end()
        } catch {
            // As above: no failure of the balancer.
        }
    }

    /// A connection to the backend of that name; nil where it does not answer.
    private func openDirect(to name: String) async -> Conversation? {
        if endpoints[name] == nil { await learnNames() }
        guard let endpoint = endpoints[name] else { return nil }
        return await greet(endpoint)?.conversation
    }

    private func learnNames() async {
        for endpoint in load.settings.direct {
            guard let (conversation, answerer) = await greet(endpoint) else { continue }
            endpoints[answerer.name] = endpoint
            await leave(conversation)
        }
    }

    private func greet(_ endpoint: Endpoint) async -> (conversation: Conversation, answerer: Answerer)? {
        do {
            let conversation = try await Conversation.open(to: endpoint)
            return (conversation, try await conversation.ask(.hello).answerer)
        } catch {
            // It is being restarted.
            return nil
        }
    }
}
