// The verb that shows: status.
import ControlProtocol
import EventLoop
import Model

extension CommandHandler {
    func showStatus(_ scope: StatusScope, _ answer: Answer) async throws(Failure) {
        switch scope {
        case .everything: break
        case .pool(let name): _ = try find(name)
        case .backend(let reference): _ = try find([reference])
        }
        let report = status.report(scope, stopping: isStopping)
        switch answer.output {
        case .text: try await answer.tellTable(report)
        case .json: try await answer.tellJSON(report)
        }
        try await answer.flush()
    }
}

/// The values are of one moment. They are written in parts: that of thousands of backends takes longer than anything
/// else on the control plane may.
extension Answer {
    fileprivate func tellTable(_ report: StatusReport) async throws(Failure) {
        try await write { lines(StatusTable.head(report), &$0) }
        for pool in report.pools { try await write { lines(StatusTable.lines(pool), &$0) } }
    }

    fileprivate func tellJSON(_ report: StatusReport) async throws(Failure) {
        var head = report
        head.pools = []
        try await write { JSONText.appendOpen(head, to: &$0) }
        for (index, pool) in report.pools.enumerated() {
            var head = pool
            head.backends = []
            try await write {
                if index > 0 { $0.append(UInt8(ascii: ",")) }
                JSONText.appendOpen(head, to: &$0)
            }
            for (index, backend) in pool.backends.enumerated() {
                try await write {
                    if index > 0 { $0.append(UInt8(ascii: ",")) }
                    JSONText.append(backend, to: &$0)
                }
            }
            try await write { $0 += JSONText.close }
        }
        try await write { $0 += JSONText.close + [0x0A] }
    }

    private func lines(_ lines: [String], _ bytes: inout [UInt8]) {
        for line in lines { ReplyLine.data(line).append(to: &bytes) }
    }
}
