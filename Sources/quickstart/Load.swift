// The load: its clients side by side, one tally, and the summary at the end.
import EventLoop
import Glibc
import Model
import SystemCalls

struct LoadSettings: Sendable {
    let through: Endpoint
    let direct: [Endpoint]
    /// Nil: until a signal comes.
    let duration: Duration?
    let rate: Int
    let long: Int
    let report: String?
}

@ControlPlane final class Load {
    /// So many failures are printed as they happen; all are counted.
    nonisolated static let printedFailuresMax = 5

    let settings: LoadSettings
    private(set) var tally = Tally()
    /// Clients look here between two steps, and then end cleanly.
    private(set) var isEnding = false

    init(_ settings: LoadSettings) { self.settings = settings }

    /// Runs until its time is over or SIGINT or SIGTERM comes; the exit status.
    func run() async -> Int32 {
        do {
            let signals = try Signals.open([SIGINT, SIGTERM])
            _ = try Limits.raiseDescriptors()
            let began = Clocks.monotonic()
            let clients = start { await self.runClients() }
            _ = await wait(for: .readable, on: signals.number, timeout: settings.duration)
            isEnding = true
            await clients.value
            try tell(Summary(tally: tally, elapsed: began.duration(to: Clocks.monotonic())))
            return tally.failed == 0 && tally.requests > 0 ? 0 : 1
        } catch {
            Console.complain("load: \(error)")
            return 1
        }
    }

    private func runClients() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await ShortClients(of: self).run() }
            for number in 0..<settings.long {
                group.addTask { await LongClient(number, of: self).run() }
            }
            if !settings.direct.isEmpty {
                group.addTask { await HopMeter(of: self).run() }
            }
        }
    }

    private func tell(_ summary: Summary) throws(SystemError) {
        for line in summary.lines { Console.say(line) }
        guard let report = settings.report else { return }
        try Files.replace(report, with: Array((summary.report.joined(separator: "\n") + "\n").utf8))
    }

    /// Opens a connection through the balancer and says hello: one request, failed where either fails.
    func open() async throws(LoadFailure) -> (conversation: Conversation, answerer: Answerer) {
        tally.asked()
        let conversation = try await Conversation.open(to: settings.through)
        return (conversation, try await answer(to: .hello, on: conversation).answerer)
    }

    func ask(_ inquiry: Inquiry, on conversation: Conversation) async throws(LoadFailure) -> Conversation.Answer {
        tally.asked()
        return try await answer(to: inquiry, on: conversation)
    }

    private func answer(to inquiry: Inquiry, on conversation: Conversation) async throws(LoadFailure) -> Conversation.Answer {
        let answer = try await conversation.ask(inquiry)
        tally.answered(by: answer.answerer, after: answer.time)
        return answer
    }

    func note(_ failure: LoadFailure) {
        tally.failed(failure)
        if tally.failed <= Load.printedFailuresMax {
            Console.complain("failed request: \(failure)")
        } else if tally.failed == Load.printedFailuresMax + 1 {
            Console.complain("further failures are only counted")
        }
    }

    func update(_ change: (inout Tally) -> Void) { change(&tally) }
}
