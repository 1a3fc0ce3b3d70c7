// Carries out commands: one exhaustive switch, one function a verb.
import ControlProtocol
import EventLoop
import Model

/// Hands one data line to whoever asked; throws when nobody listens any more.
typealias Tell = @ControlPlane (String) async throws(Failure) -> Void

@ControlPlane final class CommandHandler {
    let table: PoolTable
    private let drains: Drains
    let events: EventLog
    private let status: StatusReports
    let explanations: Explanations
    private let checkConfiguration: @Sendable () -> [String]
    var isStopping = false
    var surveys: Surveys { explanations.surveys }

    /// `checkConfiguration`: the errors of the file on disk, empty when it is well.
    init(
        table: PoolTable, drains: Drains, events: EventLog, status: StatusReports, explanations: Explanations,
        checkConfiguration: @escaping @Sendable () -> [String]
    ) {
        self.table = table
        self.drains = drains
        self.events = events
        self.status = status
        self.explanations = explanations
        self.checkConfiguration = checkConfiguration
    }

    func handle(_ request: Request, by user: String, tell: Tell) async throws(Failure) {
        let output = request.output
        switch request.command {
        case .help: try await help(output, tell)
        case .status(let scope): try await showStatus(scope, output, tell)
        case .drain(let order): try await drain(order, user, output, tell)
        case .undrain(let references, let owner, let force):
            let backends = try find(references)
            let before = backends.map(\.wish)
            try drains.makeReady(backends, owner: owner, force: force, by: user, verb: "undrain")
            try await tellWishes(backends, before, output, tell)
        case .ready(let references, let owner, let force):
            let backends = try find(references)
            let before = backends.map(\.wish)
            try drains.makeReady(backends, owner: owner, force: force, by: user, verb: "ready")
            try await tellWishes(backends, before, output, tell)
        case .maintain(let references, let owner):
            let backends = try find(references)
            let before = backends.map(\.wish)
            try drains.maintain(backends, owner: owner, by: user)
            try await tellWishes(backends, before, output, tell)
        case .probe(let references, let timeout): try await probe(references, timeout, output, tell)
        case .events(let follow): try await tellEvents(follow, output, tell)
        case .configCheck: try await tellConfigurationErrors(output, tell)
        case .connections(let order): try await showConnections(order, output, tell)
        case .close(let ids, let reset): try await closeConnections(ids, reset: reset, by: user, output, tell)
        case .explain(let reference): try await explain(reference, output, tell)
        }
    }

    private func help(_ output: Output, _ tell: Tell) async throws(Failure) {
        for verb in Verb.all {
            switch output {
            case .text: try await tell("\(verb.usage)  -- \(verb.doc)")
            case .json: try await tell(JSONText.line(["verb": verb.name, "arguments": verb.arguments, "doc": verb.doc]))
            }
        }
    }

    private func showStatus(_ scope: StatusScope, _ output: Output, _ tell: Tell) async throws(Failure) {
        switch scope {
        case .everything: break
        case .pool(let name): if table.pool(name) == nil { throw unknown("pool", name.text) }
        case .backend(let reference): _ = try find([reference])
        }
        let report = status.report(scope, stopping: isStopping)
        switch output {
        case .text: for line in StatusTable.lines(report) { try await tell(line) }
        case .json: try await tell(JSONText.line(report))
        }
    }

    private func drain(_ order: DrainOrder, _ user: String, _ output: Output, _ tell: Tell) async throws(Failure) {
        let started = LoopClock().now
        let references = order.backends
        let backends = try find(references)
        try await drains.drain(backends, order, by: user)
        var outages = order.renews ? [:] : outages(of: backends)
        guard order.waits else {
            for backend in backends {
                var record = DrainRecord(backend, waited: .zero)
                record.warning = outages[record.backend]
                try await self.tell(record, output, tell)
            }
            return
        }
        try await drains.waitUntilEmpty(references, since: started) { record throws(Failure) in
            var record = record
            record.warning = outages.removeValue(forKey: record.backend)
            try await self.tell(record, output, tell)
        }
    }

    private func tell(_ record: DrainRecord, _ output: Output, _ tell: Tell) async throws(Failure) {
        switch output {
        case .text:
            try await tell(record.text)
            if let warning = record.warning { try await tell("warning: \(warning)") }
        case .json: try await tell(JSONText.line(record))
        }
    }

    /// By the last of a pool's `backends` that were taken out: that new connections have nowhere to go now.
    private func outages(of backends: [Backend]) -> [String: String] {
        var lastOfPool: [PoolName: Backend] = [:]
        for backend in backends where backend.wish != .ready { lastOfPool[backend.reference.pool] = backend }
        var outages: [String: String] = [:]
        for (name, backend) in lastOfPool where table.pool(name)?.published == [] {
            outages[backend.reference.description] = "pool \(name) has no available backend now: new connections are reset"
        }
        return outages
    }

    private func tellWishes(
        _ backends: [Backend], _ before: [Wish], _ output: Output, _ tell: Tell
    ) async throws(Failure) {
        let outages = outages(of: backends)
        for (backend, before) in zip(backends, before) {
            let record = WishRecord(
                backend: backend.reference.description, wish: backend.wish, wishBefore: before,
                availability: backend.availability, warning: outages[backend.reference.description])
            switch output {
            case .text:
                try await tell(record.text)
                if let warning = record.warning { try await tell("warning: \(warning)") }
            case .json: try await tell(JSONText.line(record))
            }
        }
    }

    /// All at once; answered in the order of the command.
    private func probe(
        _ references: [BackendReference], _ timeout: Duration?, _ output: Output, _ tell: Tell
    ) async throws(Failure) {
        let backends = try find(references)
        let tasks = backends.map { backend in
            start { await backend.prober.confirm(timeout: timeout ?? .seconds(10)) }
        }
        defer { for task in tasks { task.cancel() } }
        var unconfirmed: [String] = []
        for (backend, task) in zip(backends, tasks) {
            let history = await withTaskCancellationHandler {
                await task.value
            } onCancel: {
                for task in tasks { task.cancel() }
            }
            guard let history else { throw Failure(.failed, "interrupted") }
            if history.finding != .up { unconfirmed.append(backend.reference.description) }
            let record = ProbeRecord(
                backend: backend.reference.description, probe: history.finding, probeSequence: history.sequence,
                failure: history.failure)
            switch output {
            case .text: try await tell(record.text)
            case .json: try await tell(JSONText.line(record))
            }
        }
        guard unconfirmed.isEmpty else {
            throw Failure(.deadlinePassed, "not up within \((timeout ?? .seconds(10)).spoken): \(unconfirmed.joined(separator: ", "))")
        }
    }

    private func tellEvents(_ follow: Bool, _ output: Output, _ tell: Tell) async throws(Failure) {
        var seen = (events.kept.first?.sequence ?? 1) - 1
        while true {
            let version = events.news.version
            guard let fresh = events.events(after: seen) else {
                throw Failure(.failed, "you read more slowly than things happen: events after \(seen) are gone; ask again")
            }
            for event in fresh {
                seen = event.sequence
                let record = EventRecord(event)
                switch output {
                case .text: try await tell(record.line)
                case .json: try await tell(JSONText.line(record))
                }
            }
            guard follow else { return }
            guard await events.news.next(after: version) == .ready else { throw Failure(.failed, "interrupted") }
        }
    }

    private func tellConfigurationErrors(_ output: Output, _ tell: Tell) async throws(Failure) {
        let record = ConfigCheckRecord(errors: checkConfiguration())
        switch output {
        case .text: for line in record.lines { try await tell(line) }
        case .json: try await tell(JSONText.line(record))
        }
        guard record.errors.isEmpty else {
            throw Failure(.failed, "\(counted(record.errors.count, "error")) in the file; what runs is unchanged")
        }
    }

    // MARK: Names

    func find(_ references: [BackendReference]) throws(Failure) -> [Backend] {
        var found: [Backend] = []
        for reference in references {
            guard let backend = table.backend(reference) else { throw unknown("backend", reference.description) }
            found.append(backend)
        }
        return found
    }

    func unknown(_ kind: String, _ name: String) -> Failure {
        let names = table.pools.prefix(8).map(\.configuration.name.text).joined(separator: ", ") + (table.pools.count > 8 ? ", ..." : "")
        let hint = table.nearest(to: name).map { "; did you mean '\($0)'?" } ?? "; pools: \(names)"
        return Failure(.failed, "there is no \(kind) '\(name)'\(hint)")
    }
}
