// The verb that shows: status.
import ControlProtocol
import EventLoop
import Model

extension CommandHandler {
    func showStatus(_ scope: StatusScope, _ answer: Answer) async throws(Failure) {
        for name in scope.pools { _ = try find(name) }
        _ = try find(Array(scope.backends))
        var report = status.report(scope, stopping: isStopping)
        (report.reloadFailure, report.unsavedChanges) = (running.reloadFailure, running.unsavedChanges)
        switch answer.output {
        case .text: try await answer.tellTable(report)
        case .json: try await answer.tellJSON(report)
        }
    }
}

/// The values are of one moment. They are written in parts: that of thousands of backends takes longer than anything
/// else on the control plane may.
extension Answer {
    /// Some ten microseconds.
    private static let backendsInPart = 16

    fileprivate func tellTable(_ report: StatusReport) async throws(Failure) {
        try await write { lines(StatusTable.head(report), &$0) }
        for pool in report.pools { try await write { lines(StatusTable.lines(pool), &$0) } }
    }

    fileprivate func tellJSON(_ report: StatusReport) async throws(Failure) {
        var outline = report
        outline.pools = []
        let (head, tail) = JSONText.around(array: "pools", of: outline)
        try await write { $0 += head }
        for (index, pool) in report.pools.enumerated() { try await tellJSON(pool, isFirst: index == 0) }
        try await write { $0 += tail + [0x0A] }
    }

    private func tellJSON(_ pool: PoolReport, isFirst: Bool) async throws(Failure) {
        var outline = pool
        outline.backends = []
        let (head, tail) = JSONText.around(array: "backends", of: outline)
        try await write { $0 += isFirst ? head : [UInt8(ascii: ",")] + head }
        for start in stride(from: 0, to: pool.backends.count, by: Answer.backendsInPart) {
            try await write {
                for index in start..<min(start + Answer.backendsInPart, pool.backends.count) {
                    if index > 0 { $0.append(UInt8(ascii: ",")) }
                    JSONText.append(pool.backends[index], to: &$0)
                }
            }
        }
        try await write { $0 += tail }
    }
}
