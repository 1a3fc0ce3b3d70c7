// One look at each balancer, printed for people or for scripts.
import ControlProtocol
import EventLoop
import Model
import Statistics
import SystemCalls

@ControlPlane struct TopOnce {
    private let command: TopCommand
    private let console: Console

    init(_ command: TopCommand, _ console: Console) {
        (self.command, self.console) = (command, console)
    }

    /// The worst of what came of them.
    func show() -> ExitStatus {
        let calendar = Clocks.calendar()
        let looks = command.places.map { ($0.name, look($0)) }
        if command.global.isJSON { showJSON(looks, calendar) } else { showTables(looks, calendar) }
        for case (let name, .success(let observation)) in looks {
            guard let warning = TopText.warning(observation.process, at: calendar) else { continue }
            console.message("lbctl: warning: " + prefix(name) + warning)
        }
        return tell(looks)
    }

    /// Nil: there is something to show.
    func check() -> ExitStatus? {
        let looks = command.places.map { ($0.name, look($0)) }
        let seen = looks.contains { if case .success = $0.1 { true } else { false } }
        return seen ? nil : tell(looks)
    }

    private func look(_ place: SegmentPlace) -> Result<Observation, Failure> {
        do throws(Failure) {
            let observation = try place.look()
            if let pool = command.pool?.text, !observation.pools.contains(where: { $0.name == pool }) {
                let hint = pool.nearest(among: observation.pools.map(\.name)).map { "; did you mean '\($0)'?" } ?? ""
                throw Failure(.failed, "there is no pool '\(pool)'\(hint)")
            }
            return .success(observation)
        } catch {
            return .failure(error)
        }
    }

    private func tell(_ looks: [(String, Result<Observation, Failure>)]) -> ExitStatus {
        var worst = ExitStatus.done
        for case (let name, .failure(let failure)) in looks {
            console.message("lbctl: " + (failure.message.contains(name) ? "" : prefix(name)) + failure.message)
            if failure.code.rawValue > worst.rawValue { worst = failure.code }
        }
        return worst
    }

    private func prefix(_ name: String) -> String { command.places.count > 1 ? "\(name): " : "" }

    private func showTables(_ looks: [(String, Result<Observation, Failure>)], _ calendar: Timestamp) {
        let choice = TopTable.Choice(
            pool: command.pool?.text, sort: command.sort,
            connections: command.connections ? command.limit ?? ConnectionsOrder.limitDefault : nil, isWide: command.global.output == .wide)
        var isFirst = true
        for case (let name, .success(let observation)) in looks {
            if command.places.count > 1 { console.data((isFirst ? "" : "\n") + "\(name):") }
            isFirst = false
            for line in TopTable.lines(observation, choice, at: calendar) { console.data(console.isColoured ? Paint.availability(in: line) : line) }
        }
    }

    private func showJSON(_ looks: [(String, Result<Observation, Failure>)], _ calendar: Timestamp) {
        let answers = looks.map { name, look in
            Attributed(control: name, content: TopAnswer(look.map { observation in
                TopReport(observation, pool: command.pool?.text, sort: command.sort, limit: command.limit, calendar: calendar)
            }))
        }
        if answers.count > 1 { return console.data(JSONText.line(["balancers": answers])) }
        if case .success(let report) = answers[0].content.result { console.data(JSONText.line(report)) }
    }
}

/// A report's own keys, or `error` alone.
private struct TopAnswer: Encodable {
    let result: Result<TopReport, Failure>

    init(_ result: Result<TopReport, Failure>) { self.result = result }

    private enum Key: CodingKey { case error }

    func encode(to encoder: any Encoder) throws {
        switch result {
        case .success(let report): try report.encode(to: encoder)
        case .failure(let failure):
            var keys = encoder.container(keyedBy: Key.self)
            try keys.encode(failure.message, forKey: .error)
        }
    }
}
