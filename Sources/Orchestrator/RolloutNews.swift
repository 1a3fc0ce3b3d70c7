// Tells every balancer of a rollout how it stands, for whoever looks there. Best effort: a balancer that does not take it is
// left alone for a moment, and nothing of the rollout waits for this.
import ControlClient
import ControlProtocol
import EventLoop
import Model
import Rollout
import SystemCalls

@ControlPlane final class RolloutNews {
    private static let interval = Duration.seconds(1)
    /// Told at least so often while nothing changes: three may be lost before the lease ends.
    private static let renewal = Duration.seconds(8)
    private static let patience = Duration.seconds(2)

    private let fleet: BalancerFleet
    private let notice: @ControlPlane () -> RolloutNotice?
    private let clock = LoopClock()
    /// By balancer: what it was told last, and when; an older lbd, which knows no such verb, is told nothing more.
    private var told: [Int: (notice: RolloutNotice, at: MonotonicTime)] = [:]
    private var deaf: Set<Int> = []
    private var task: Task<Void, Never>?

    init(_ fleet: BalancerFleet, notice: @escaping @ControlPlane () -> RolloutNotice?) {
        (self.fleet, self.notice) = (fleet, notice)
    }

    func begin() {
        guard task == nil else { return }
        task = start { [self] in
            repeat { await tell() } while await pause(for: RolloutNews.interval) && !Task.isCancelled
        }
    }

    /// With how it ended, if they take that in time.
    func end() async {
        task?.cancel()
        await task?.value
        await tell()
    }

    private func tell() async {
        guard let notice = notice() else { return }
        _ = await fleet.each { [self] index in await tell(notice, index) }
    }

    private func tell(_ notice: RolloutNotice, _ index: Int) async {
        guard !deaf.contains(index) else { return }
        if let last = told[index], last.notice == notice, last.at.duration(to: clock.now) < RolloutNews.renewal { return }
        do throws(Failure) {
            try await fleet.balancers[index].perform(.rolloutReport(notice), decoding: RolloutNoticeRecord.self, within: RolloutNews.patience) { _ in }
            told[index] = (notice, clock.now)
        } catch {
            if error.code == .badUsage { deaf.insert(index) }
        }
    }
}

extension RolloutNotice {
    /// Nil: the rollout has no nodes. `left`: as predicted at `predictedAt`.
    init?(_ history: RolloutHistory, id: String, state: RolloutReport.State, left: (p50: Duration, p90: Duration, at: Timestamp)?) {
        let began = history.beganAt
        let time = { (elapsed: Duration) in Timestamp(milliseconds: began.milliseconds + elapsed.wholeMilliseconds) }
        var nodes: [Node] = []
        for node in history.nodes {
            do { nodes.append(Node(try BackendReference(node.backend), Step(node.fate), since: node.spans.last.map { time($0.to ?? $0.from) }, began: node.spans.first.map { time($0.from) })) } catch { return nil }
        }
        guard !nodes.isEmpty else { return nil }
        let inHand = nodes.firstIndex { $0.step != .done } ?? 0
        let first = min(max(0, inHand - RolloutNotice.nodesMax / 2), max(0, nodes.count - RolloutNotice.nodesMax))
        let after = { (duration: Duration) in left.map { Timestamp(milliseconds: $0.at.milliseconds + duration.wholeMilliseconds) } }
        self.init(
            id: id, owner: history.begin.owner, state: state, began: began,
            nodes: Array(nodes[first..<min(nodes.count, first + RolloutNotice.nodesMax)]), steps: nodes.count,
            stepsDone: history.nodes.count { $0.isDone }, end: left.flatMap { after($0.p50) }, endAtMost: left.flatMap { after($0.p90) }, lease: Lease.length)
    }
}

extension RolloutNotice.Step {
    fileprivate init(_ fate: RolloutHistory.Fate) {
        switch fate {
        case .untouched: self = .waiting
        case .inHand(let phase): self = .init(phase)
        case .restarted: self = .done
        case .rolledBack: self = .rolledBack
        case .undone: self = .undone
        case .held, .drainLost: self = .failed
        case .ended(let state, _): self = state == "restarted" ? .done : state == "rolledBack" ? .rolledBack : state == "untouched" ? .waiting : state == "undone" ? .undone : .failed
        }
    }

    private init(_ phase: RolloutHistory.Span.Phase) {
        switch phase {
        case .drain: self = .draining
        case .restart: self = .restarting
        case .ready: self = .probing
        case .warm: self = .warming
        case .watch: self = .watching
        case .rollback: self = .rollingBack
        case .held: self = .failed
        }
    }
}
