// Forms that only a health check's options have: its word, its command, status ranges, what goes into a request's line.
import Model

/// What asks the process table instead of the service.
private enum ProcessChecks {
    static let words = ["pid", "pidfile", "pid-file", "process", "kill", "ps"]
    static let programs = ["kill", "killall", "pkill", "pgrep", "pidof", "ps"]
    static let reason =
        "which tells that a process is there and says nothing about service: one that hangs, or another that has its number, passes too"
    static let advice = "write connect, banner, http or command"
}

extension Form where Value == CheckWord {
    static var check: Form {
        let word = Form.word()
        return Form(type: word.type, bounds: word.bounds) { node, subject, findings in
            if case .scalar(let text, _) = node.content, ProcessChecks.words.contains(text) {
                findings.add(node.place, "\(subject) is '\(text)', \(ProcessChecks.reason); \(ProcessChecks.advice)")
                return nil
            }
            return word.read(node, subject, &findings)
        }
    }
}

extension Form where Value == [String] {
    /// Program and arguments of a check.
    static let checkCommand = Form(type: "list of texts", bounds: "") { node, subject, findings in
        guard let words = readCommand(node, subject, &findings) else { return nil }
        if let program = words[0].split(separator: "/").last, ProcessChecks.programs.contains(String(program)) {
            findings.add(node.place, "\(subject) is '\(program)', \(ProcessChecks.reason); write a command that asks for service, or check: connect, banner or http")
            return nil
        }
        return words
    }
}

extension Form where Value == String {
    /// Letters that may stand in a request's first lines: no blank, no control, ASCII.
    static func visible(bytes bounds: ClosedRange<Int>, first: String = "") -> Form {
        let text = Form.text(bytes: bounds)
        return Form(type: text.type, bounds: text.bounds) { node, subject, findings in
            guard let value = text.read(node, subject, &findings) else { return nil }
            guard value.hasPrefix(first) else {
                findings.add(node.place, "\(subject) is '\(value.escapedForOneLine)'; write a text that begins with '\(first)'")
                return nil
            }
            guard value.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
                findings.add(node.place, "\(subject) is '\(value.escapedForOneLine)'; a request holds no blanks and ASCII letters only: write %20 and the like")
                return nil
            }
            return value
        }
    }
}

extension Form where Value == [ClosedRange<Int>] {
    /// `204`, `200-399`, or a list of such.
    static let statuses = Form(type: "status or list", bounds: "100 to 599") { node, subject, findings in
        guard case .sequence(let items) = node.content else { return readStatuses(node, subject, &findings).map { [$0] } }
        guard !items.isEmpty else {
            findings.add(node.place, "\(subject) is an empty list; write one such as [200-299, 401]")
            return nil
        }
        let ranges = items.enumerated().map { readStatuses($1, "item \($0 + 1) in \(subject)", &findings) }
        guard ranges.allSatisfy({ $0 != nil }) else { return nil }
        return ranges.compactMap { $0 }
    }.spelled { ranges in
        let texts = ranges.map { YamlNode.text($0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)") }
        return texts.count == 1 ? texts[0] : YamlNode(content: .sequence(texts), place: .nowhere)
    }
}

private func readStatuses(_ node: YamlNode, _ subject: String, _ findings: inout Findings) -> ClosedRange<Int>? {
    let wanted = "a status or a range such as 200-299, from 100 to 599"
    guard let (text, _) = scalarText(node, subject, wanted: wanted, &findings) else { return nil }
    let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { end in
        end.utf8.count == 3 && end.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int(end) : nil
    }
    if (1...2).contains(ends.count), let low = ends[0], let high = ends[ends.count - 1], low <= high, low >= 100, high <= 599 {
        return low...high
    }
    findings.add(node.place, "\(subject) is '\(text.escapedForOneLine)'; write \(wanted)")
    return nil
}
