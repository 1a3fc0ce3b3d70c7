// A command, to restart a backend or to check one: a list of program and arguments, with placeholders.
import Model

func readCommand(_ node: YamlNode, _ subject: String, _ findings: inout Findings) -> [String]? {
    let wanted = "a list such as [systemctl, restart, web]"
    guard case .sequence(let items) = node.content else {
        guard let (text, _) = scalarText(node, subject, wanted: wanted, &findings) else { return nil }
        let words = text.split(separator: " ").map { yamlText(String($0)) }
        let list = words.isEmpty ? "[systemctl, restart, web]" : "[" + words.joined(separator: ", ") + "]"
        findings.add(node.place, "\(subject) is one text, and no shell takes it apart; write the list \(list.escapedForOneLine)")
        return nil
    }
    guard let program = items.first else {
        findings.add(node.place, "\(subject) is an empty list; write the program and its arguments")
        return nil
    }
    let words = items.enumerated().map { index, item in
        readArgument(item, "item \(index + 1) in \(subject)", &findings)
    }
    if words.first == "" {
        findings.add(program.place, "item 1 in \(subject) is empty; write the program's name")
        return nil
    }
    guard words.allSatisfy({ $0 != nil }) else { return nil }
    return words.compactMap { $0 }
}

/// A text with placeholders that is no list.
func readTemplate(_ node: YamlNode, _ subject: String, _ findings: inout Findings) -> String? {
    guard let text = readArgument(node, subject, &findings) else { return nil }
    guard !text.isEmpty, !text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) else {
        findings.add(node.place, "\(subject) is '\(text.escapedForOneLine)'; write a text of one line")
        return nil
    }
    return text
}

private func readArgument(_ node: YamlNode, _ subject: String, _ findings: inout Findings) -> String? {
    guard let (text, _) = scalarText(node, subject, wanted: "a text", &findings) else { return nil }
    guard !text.utf8.contains(0) else {
        findings.add(node.place, "\(subject) holds a NUL byte, which no argument can carry; take it out")
        return nil
    }
    let known = RestartConfiguration.placeholders
    for name in placeholders(in: text) where !known.contains(name) {
        let choice = alternatives(known.map { "{\($0)}" })
        findings.add(node.place, "\(subject) holds {\(name)}, which stands for nothing; write \(choice)")
        return nil
    }
    return text
}

/// The words in braces. `${NAME}` is a shell's unless it is one of ours, and braces around anything but
/// one word are the command's own.
private func placeholders(in text: String) -> [String] {
    var names: [String] = []
    let bytes = Array(text.utf8)
    for open in bytes.indices where bytes[open] == UInt8(ascii: "{") {
        guard open == 0 || bytes[open - 1] != UInt8(ascii: "$"),
            let close = bytes[open...].firstIndex(of: UInt8(ascii: "}")), close > open + 1
        else { continue }
        let word = bytes[(open + 1)..<close]
        if word.allSatisfy(isWordByte) { names.append(String(decoding: word, as: UTF8.self)) }
    }
    return names
}

private func isWordByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "_"), UInt8(ascii: "-"): true
    default: false
    }
}

/// A word as an item of a flow list: in quotes where YAML would take it for something else.
private func yamlText(_ word: String) -> String {
    let plain = word.utf8.allSatisfy { isWordByte($0) || $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: ".") }
    if plain, word.utf8.first != UInt8(ascii: "-") || word.utf8.count > 1 { return word }
    return "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''") + "'"
}
