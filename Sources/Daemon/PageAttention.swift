// What somebody who has just been woken should know first: the backends that are out, by name, and the rollouts under way.
import ControlProtocol
import Model

struct PageAttention {
    private struct Group {
        var names: [BackendReference] = []
        var count = 0
    }

    private var groups: [Availability: Group] = [:]
    private var rollouts: [(pool: PoolName, standing: RolloutStanding)] = []
    private var backends = 0
    private var pools = 0

    /// More of a kind are only counted.
    private static let namesMax = 6
    private static let rolloutsMax = 4

    mutating func note(pool: PoolName, _ standing: RolloutStanding?) {
        pools += 1
        guard let standing, standing.state != .done else { return }
        rollouts.append((pool, standing))
    }

    mutating func note(_ backend: BackendReference, _ availability: Availability) {
        backends += 1
        guard availability != .available else { return }
        var group = groups[availability] ?? Group()
        group.count += 1
        if group.names.count < PageAttention.namesMax { group.names.append(backend) }
        groups[availability] = group
    }

    /// `2 down, 1 draining`; empty: nothing is out.
    var title: String {
        [Availability.down, .draining, .drained, .maintenance].compactMap { kind in groups[kind].map { "\($0.count) \(kind.rawValue)" } }.joined(separator: ", ")
    }

    /// List items, the gravest first.
    var items: [HTML] {
        let kinds = groups.keys.sorted { $0.rank < $1.rank }
        let out = kinds.compactMap { kind in groups[kind].map { item(kind, $0) } }
        let running = rollouts.prefix(PageAttention.rolloutsMax).map(item)
            + (rollouts.count > PageAttention.rolloutsMax ? ["<li>and \(rollouts.count - PageAttention.rolloutsMax) more rollouts: lbctl status</li>"] : [])
        guard out.isEmpty, backends > 0 else { return out + running }
        let all: HTML = backends == 1 ? "the one backend is available" : "all \(PageNumbers.count(backends)) backends of \(counted(pools, "pool")) are available"
        return ["<li class=\"good\">\(PageMark.good.html)\(all)</li>"] + running
    }

    private func item(_ kind: Availability, _ group: Group) -> HTML {
        let (mark, colour) = PageParts.sign(kind)
        let names = group.names.enumerated().map { place, name -> HTML in
            "\(place > 0 ? ", " : "")<a href=\"/?pool=\(name.pool.text)\">\(name.description)</a>"
        }
        let more = group.count > group.names.count ? " and \(PageNumbers.count(group.count - group.names.count)) more" : ""
        return "<li class=\"\(colour)\">\(mark.html)<b>\(PageNumbers.count(group.count)) \(kind == .maintenance ? "in maintenance" : kind.rawValue)</b>: \(names)\(more)</li>"
    }

    private func item(_ pool: PoolName, _ rollout: RolloutStanding) -> HTML {
        let colour = rollout.state == .stopped || rollout.state == .abandoned ? "bad" : "soft"
        return """
            <li class="\(colour)"><a href="/?pool=\(pool.text)">rollout \(rollout.id)</a> of pool \(pool.text): \(PageRollout.state(rollout.state)), \(rollout.stepsDone) of \(rollout.steps) done</li>
            """
    }
}
