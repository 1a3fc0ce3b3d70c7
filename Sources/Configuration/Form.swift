// The forms that an option's value can have: how each is read, and what it says of itself.
import Model

struct Form<Value: Sendable>: Sendable {
    /// One or two words for people.
    let type: String
    /// With the unit where the value has none of its own; empty: none.
    let bounds: String
    /// Nil after it has added an error. `subject` names the option: `'weight' of backend 'web/web-1'`.
    let read: @Sendable (_ node: YamlNode, _ subject: String, _ findings: inout Findings) -> Value?
    /// The one spelling of a value that the file may spell in several ways; nil: the file's is the only one.
    private(set) var spell: (@Sendable (Value) -> YamlNode)?

    init(
        type: String, bounds: String, read: @escaping @Sendable (_ node: YamlNode, _ subject: String, _ findings: inout Findings) -> Value?
    ) {
        self.type = type
        self.bounds = bounds
        self.read = read
    }

    func spelled(_ spell: @escaping @Sendable (Value) -> YamlNode) -> Form {
        var form = self
        form.spell = spell
        return form
    }
}

extension YamlNode {
    /// In quotes where it needs them.
    static func text(_ text: String) -> YamlNode { .scalar(text, quoted: !text.isPlainYaml) }
}

/// The text of a scalar. `wanted` finishes "write …".
func scalarText(
    _ node: YamlNode, _ subject: String, wanted: String, _ findings: inout Findings
) -> (text: String, quoted: Bool)? {
    switch node.content {
    case .scalar(let text, let quoted):
        guard node.isNothing else { return (text, quoted) }
        findings.add(node.place, "\(subject) has no value; write \(wanted)")
    case .sequence:
        findings.add(node.place, "\(subject) is a list; write \(wanted)")
    case .mapping:
        findings.add(node.place, "\(subject) is a mapping; write \(wanted) (a text that begins with '{' needs quotes)")
    }
    return nil
}

extension Form where Value == Duration {
    static func duration(_ bounds: ClosedRange<Duration>) -> Form {
        let range = "\(bounds.lowerBound.written) to \(bounds.upperBound.written)"
        return Form(type: "duration", bounds: range) { node, subject, findings in
            let wanted = "a duration from \(range)"
            guard let (text, _) = scalarText(node, subject, wanted: wanted, &findings) else { return nil }
            let shown = "\(subject) is '\(text.escapedForOneLine)'"
            guard text.isEmpty || !text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
                findings.add(node.place, "\(shown), a number without a unit; write \(text.escapedForOneLine)s for seconds, or one of ms, m, h, d")
                return nil
            }
            do throws(UnitError) {
                let duration = try Duration(written: text)
                if bounds.contains(duration) { return duration }
                findings.add(node.place, "\(shown); write \(wanted)")
            } catch {
                findings.add(node.place, "\(shown); \(error.description); write \(wanted)")
            }
            return nil
        }.spelled { .text($0.written) }
    }
}

/// A whole number written with digits alone, within bounds; a quoted one is a text.
private func wholeNumber(_ text: String, quoted: Bool, in bounds: ClosedRange<Int>) -> Int? {
    let digits = text.utf8
    guard !quoted, digits.allSatisfy({ (0x30...0x39).contains($0) }), digits.first != 0x30 || digits.count == 1,
        let number = Int(text), bounds.contains(number)
    else { return nil }
    return number
}

extension Form where Value == Int {
    static let connections = wholeNumber(1...1_000_000, unit: "connections")

    static func wholeNumber(_ bounds: ClosedRange<Int>, unit: String) -> Form {
        Form(type: "whole number", bounds: "\(bounds.lowerBound) to \(bounds.upperBound) \(unit)") { node, subject, findings in
            let wanted = "a whole number from \(bounds.lowerBound) to \(bounds.upperBound)"
            guard let (text, quoted) = scalarText(node, subject, wanted: wanted, &findings) else { return nil }
            if let number = Configuration.wholeNumber(text, quoted: quoted, in: bounds) { return number }
            findings.add(node.place, "\(subject) is '\(text.escapedForOneLine)'; write \(wanted)\(quoted ? ", without quotes" : "")")
            return nil
        }
    }
}

extension Form where Value == ByteSize {
    static func size(_ bounds: ClosedRange<Int>) -> Form {
        let range = "\(ByteSize(bytes: bounds.lowerBound).written) to \(ByteSize(bytes: bounds.upperBound).written)"
        return Form(type: "size", bounds: range) { node, subject, findings in
            let wanted = "a size from \(range)"
            guard let (text, _) = scalarText(node, subject, wanted: wanted, &findings) else { return nil }
            let shown = "\(subject) is '\(text.escapedForOneLine)'"
            do throws(UnitError) {
                let size = try ByteSize(written: text)
                if bounds.contains(size.bytes) { return size }
                findings.add(node.place, "\(shown); write \(wanted)")
            } catch {
                findings.add(node.place, "\(shown); \(error.description); write \(wanted)")
            }
            return nil
        }.spelled { .text($0.written) }
    }
}

extension Form where Value == WorkerCount {
    static func workers(_ bounds: ClosedRange<Int>) -> Form {
        let range = "\(bounds.lowerBound) to \(bounds.upperBound)"
        return Form(type: "auto or number", bounds: "\(range) threads") { node, subject, findings in
            let wanted = "auto or a whole number from \(range)"
            guard let (text, quoted) = scalarText(node, subject, wanted: wanted, &findings) else { return nil }
            if text == "auto" { return .auto }
            if let number = Configuration.wholeNumber(text, quoted: quoted, in: bounds) { return .exactly(number) }
            findings.add(node.place, "\(subject) is '\(text.escapedForOneLine)'; write \(wanted)\(quoted ? ", without quotes" : "")")
            return nil
        }
    }
}

extension Form where Value == Bool {
    static let truth = Form(type: "true or false", bounds: "") { node, subject, findings in
        guard let (text, quoted) = scalarText(node, subject, wanted: "true or false", &findings) else { return nil }
        if !quoted, text == "true" { return true }
        if !quoted, text == "false" { return false }
        findings.add(node.place, "\(subject) is '\(text.escapedForOneLine)'; write true or false\(quoted ? ", without quotes" : "")")
        return nil
    }
}

extension Form where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
    /// One of an enum's words. `promised`: words of the interface that this version cannot do.
    static func word(promised: [String] = []) -> Form {
        let words = Value.allCases.map(\.rawValue)
        return Form(type: "word", bounds: words.joined(separator: " | ")) { node, subject, findings in
            let wanted = alternatives(words)
            guard let (text, _) = scalarText(node, subject, wanted: wanted, &findings) else { return nil }
            if let value = Value(rawValue: text) { return value }
            if promised.contains(text) {
                findings.add(node.place, "'\(text)' is not available in this version; write \(wanted) for \(subject)")
            } else {
                findings.add(node.place, "\(subject) is '\(text.escapedForOneLine)'; write \(wanted)\(suggestion(for: text, among: words))")
            }
            return nil
        }
    }
}

extension Form where Value == Endpoint {
    /// A listener may say port 0 and gets a free one; to a backend nobody can connect there.
    static func endpoint(portZero: Bool) -> Form {
        Form(type: "endpoint", bounds: portZero ? "port 0: a free one" : "port from 1") { node, subject, findings in
            let wanted = "ADDRESS:PORT, [IPV6]:PORT or unix:PATH"
            guard let (text, _) = scalarText(node, subject, wanted: wanted, &findings) else { return nil }
            let absolute = absoluteEndpoint(text, in: findings.folder)
            do throws(EndpointError) {
                let endpoint = try Endpoint(absolute)
                if portZero || endpoint.port != 0 { return endpoint }
                findings.add(node.place, "\(subject) has port 0, which nobody can connect to; write a port from 1 to 65535")
            } catch {
                let resolved = absolute == text ? "" : ": \(absolute.escapedForOneLine)"
                let hint = portZero ? forAllAddresses(text) : ""
                findings.add(node.place, "\(subject): \(error.description)\(resolved)\(hint)")
            }
            return nil
        }.spelled { .text($0.description) }
    }

    /// What other servers take for every address of this host: `:8080` and `*:8080`.
    private static func forAllAddresses(_ text: String) -> String {
        guard text.hasPrefix(":") || text.hasPrefix("*:"), let colon = text.firstIndex(of: ":") else { return "" }
        do throws(EndpointError) { return "; for all addresses write \(try Endpoint("0.0.0.0" + text[colon...]))" } catch { return "" }
    }
}

extension Form where Value == IPAddress {
    /// One of this host's own: every address of it is none.
    static let address = Form(type: "address", bounds: "IPv4 or IPv6") { node, subject, findings in
        let wanted = "an address of this host such as 10.0.0.5 or \"fd00::5\""
        guard let (text, _) = scalarText(node, subject, wanted: wanted, &findings) else { return nil }
        if let address = IPAddress(text), address.isOneHosts { return address }
        findings.add(node.place, "\(subject) is '\(text.escapedForOneLine)'; write \(wanted)")
        return nil
    }.spelled { .text($0.description) }
}

extension Form where Value == PoolName {
    /// Whether there is such a pool is asked when all pools are known.
    static let poolName = Form(type: "pool's name", bounds: "") { node, subject, findings in
        guard let (text, _) = scalarText(node, subject, wanted: "the name of a pool", &findings) else { return nil }
        do throws(NameError) {
            return try PoolName(text)
        } catch {
            findings.add(node.place, "\(subject) is '\(text.escapedForOneLine)'; \(error.description)")
            return nil
        }
    }
}

extension Form where Value == [String] {
    /// Program and arguments of a restart, with placeholders.
    static let command = Form(type: "list of texts", bounds: "") { node, subject, findings in
        readCommand(node, subject, &findings)
    }
}

extension Form where Value == String {
    /// A text with placeholders.
    static let template = Form(type: "text", bounds: "") { node, subject, findings in
        readTemplate(node, subject, &findings)
    }.spelled { .text($0) }
}

extension Form where Value == [Network] {
    static func networks(_ counts: ClosedRange<Int>) -> Form {
        let bounds = "\(counts.lowerBound) to \(counts.upperBound)"
        return Form(type: "list of networks", bounds: bounds) { node, subject, findings in
            let wanted = "a list such as [10.0.0.0/8, \"::1\"]"
            guard case .sequence(let items) = node.content else {
                guard let (text, _) = scalarText(node, subject, wanted: wanted, &findings) else { return nil }
                findings.add(node.place, "\(subject) is one text; write the list [\"\(text.escapedForOneLine)\"]")
                return nil
            }
            guard counts.contains(items.count) else {
                findings.add(node.place, "\(subject) has \(items.count) networks; write \(bounds)")
                return nil
            }
            let networks = items.enumerated().map { index, item in
                readNetwork(item, "item \(index + 1) in \(subject)", &findings)
            }
            guard networks.allSatisfy({ $0 != nil }) else { return nil }
            return networks.compactMap { $0 }
        }.spelled { networks in
            YamlNode(content: .sequence(networks.map { .text($0.description) }), place: .nowhere)
        }
    }
}

private func readNetwork(_ node: YamlNode, _ subject: String, _ findings: inout Findings) -> Network? {
    guard let (text, _) = scalarText(node, subject, wanted: "a network such as 10.0.0.0/8", &findings) else { return nil }
    do throws(NetworkError) {
        return try Network(text)
    } catch {
        findings.add(node.place, "\(subject): \(error.description)")
        return nil
    }
}

extension Form where Value == String {
    static func text(bytes bounds: ClosedRange<Int>) -> Form {
        let range = "\(bounds.lowerBound) to \(bounds.upperBound) bytes"
        return Form(type: "text", bounds: range) { node, subject, findings in
            guard let (text, _) = scalarText(node, subject, wanted: "a text in quotes", &findings) else { return nil }
            if bounds.contains(text.utf8.count) { return text }
            findings.add(node.place, "\(subject) has \(text.utf8.count) bytes; write \(range)")
            return nil
        }
    }

    /// Of a file that is no socket's.
    static let longPath = path(bytesMax: 4095)

    /// A path, made absolute against the file's folder. All of them hold to the bound of a socket's path:
    /// sockets come to lie in the folders too.
    static let path = path(bytesMax: Endpoint.unixPathBytesMax)

    private static func path(bytesMax: Int) -> Form {
        Form(type: "path", bounds: "at most \(bytesMax) bytes") { node, subject, findings in
            guard let (text, _) = scalarText(node, subject, wanted: "a path", &findings) else { return nil }
            guard !text.isEmpty, !text.utf8.contains(0) else {
                findings.add(node.place, "\(subject) is \(text.isEmpty ? "empty" : "a path with a NUL byte"); write a path")
                return nil
            }
            let path = absolutePath(text, in: findings.folder)
            guard path.utf8.count <= bytesMax else {
                findings.add(
                    node.place,
                    "\(subject) is '\(path.escapedForOneLine)', \(path.utf8.count) bytes long; a path here has at most \(bytesMax)")
                return nil
            }
            return path
        }.spelled { .text($0) }
    }
}
