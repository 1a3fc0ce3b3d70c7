// Properties of documents under random texts and random edits. Faults: a text that YAML reads as another, a part that
// an edit touched and nobody loaded again, a check that only the whole file gets.
import Foundation
import Model
import Testing

@testable import Configuration

/// Texts that YAML is known to trip over.
private let traps = [
    "", " ", "null", "~", "true", "no", "0", "-1", "1e3", "0x10", "010", "-", "- a", "?", "? a", ":", "a:", ": a", "a: b", "a #b", "#", "*a", "&a",
    "!a", "|", ">", "%a", "@a", "`a", "[a]", "{a}", "a, b", "'", "\"", "\\", "\\n", "a\nb", "\r\n", "\t", "---", "...", "--- a", "<<", "=", "\u{0}",
    "\u{7F}", "\u{85}", "\u{2028}", "\u{FEFF}", "\u{FFFF}", "ü", "日本", "\u{1F600}", "e\u{301}", " a", "a ", "a\n", "\n", "::/0", "a:b", "http://x:1/",
]

private func randomText(_ random: inout SeededGenerator, lengthMax: Int = 12) -> String {
    if Int.random(in: 0..<3, using: &random) == 0 { return traps.randomElement(using: &random)! }
    var text = ""
    for _ in 0..<Int.random(in: 1...lengthMax, using: &random) {
        switch Int.random(in: 0..<4, using: &random) {
        case 0: text += traps.randomElement(using: &random)!
        case 1: text.unicodeScalars.append(Unicode.Scalar(UInt8.random(in: 0...127, using: &random)))
        case 2: text.unicodeScalars.append(Unicode.Scalar(UInt32.random(in: 0...0x10FFFF, using: &random)) ?? "x")
        default: text += ["a", "Z", "7", "_", ".", "/", "-"].randomElement(using: &random)!
        }
    }
    return text
}

private func randomNode(_ random: inout SeededGenerator, depth: Int) -> YamlNode {
    switch Int.random(in: 0..<(depth > 3 ? 2 : 4), using: &random) {
    case 0, 1: return .scalar(randomText(&random), quoted: Bool.random(using: &random))
    case 2:
        let items = (0..<Int.random(in: 0...4, using: &random)).map { _ in randomNode(&random, depth: depth + 1) }
        return YamlNode(content: .sequence(items), place: .nowhere)
    default:
        var entries: [String: YamlNode] = [:]
        for _ in 0..<Int.random(in: 0...4, using: &random) { entries[randomText(&random, lengthMax: 4)] = randomNode(&random, depth: depth + 1) }
        return .mapping(entries.map { ($0.key, $0.value) })
    }
}

struct DocumentPropertyTests {
    private static let seed = ProcessInfo.processInfo.environment["SEED"].flatMap(UInt64.init) ?? 1

    @Test("2,000 random trees: what is written reads back as the same tree")
    func texts() throws {
        for round in 0..<2000 {
            var random = SeededGenerator(state: DocumentPropertyTests.seed &+ UInt64(round))
            let names = (0..<3).map { _ in (randomText(&random, lengthMax: 4), randomNode(&random, depth: 0)) }
            let tree = YamlNode.mapping(Dictionary(names) { first, _ in first }.map { ($0.key, $0.value) })
            let document = ConfigurationDocument(tree, folder: "/")
            let (root, duplicates) = try parseYaml(Array(document.yaml.utf8))
            let again = try ConfigurationDocument(#require(root), folder: "/")
            #expect(duplicates.isEmpty && again == document, "SEED=\(DocumentPropertyTests.seed + UInt64(round))\n\(document.yaml)")
        }
    }

    @Test("1,000 random edits: a part loaded again means what the whole file would, errors included")
    func edits() throws {
        var random = SeededGenerator(state: DocumentPropertyTests.seed)
        var current = try loaded()
        var accepted = 0
        for round in 0..<1000 {
            let edits = (0..<Int.random(in: 1...3, using: &random)).map { _ in RandomEdit.next(&random, current.configuration) }
            let note = "SEED=\(DocumentPropertyTests.seed), round \(round): \(edits)"
            do throws(ConfigurationEditError) {
                let edited = try current.edited(by: edits)
                expectRoundTrip(edited, note)
                accepted += 1
                current = edited
            } catch {
                #expect(!error.messages.isEmpty && error.messages.allSatisfy { !$0.isEmpty && !$0.contains { $0.isNewline } }, "\(note)")
                expectRefused(edits, in: current, note, error)
            }
        }
        #expect((200..<950).contains(accepted), "both outcomes are seen: \(accepted)")
    }

    /// What was refused would have been refused in a file.
    private func expectRefused(_ edits: [ConfigurationEdit], in current: LoadedConfiguration, _ note: String, _ error: ConfigurationEditError) {
        do throws(ConfigurationEditError) {
            var document = current.document
            for edit in edits { document = try document.edited(by: edit) }
            #expect(throws: ConfigurationErrors.self, "\(note): refused with \(error)") { try load(document.yaml) }
        } catch { return }
    }
}

/// Edits that are often good ones: values at the bounds of each declared option.
enum RandomEdit {
    static func next(_ random: inout SeededGenerator, _ configuration: BalancerConfiguration) -> ConfigurationEdit {
        let pool = PoolName(unchecked: ["web", "api", "db"].randomElement(using: &random)!)
        let subject: ConfigurationSubject = switch Int.random(in: 0..<8, using: &random) {
        case 0: .lbd
        case 1, 2: .listener(ListenerName(unchecked: ["web", "api"].randomElement(using: &random)!))
        case 3, 4: .pool(pool)
        default: .backend(BackendReference(pool: pool, backend: BackendName(unchecked: ["a", "b", "c.d"].randomElement(using: &random)!)))
        }
        if subject == .lbd { return .set(subject, [setting(of: "", &random)]) }
        switch Int.random(in: 0..<6, using: &random) {
        case 0: return .remove(subject)
        case 1, 2: return .add(subject, required(subject, &random) + (Bool.random(using: &random) ? [setting(of: prefix(subject), &random)] : []))
        default: return .set(subject, (0..<Int.random(in: 1...2, using: &random)).map { _ in setting(of: prefix(subject), &random) })
        }
    }

    private static func prefix(_ subject: ConfigurationSubject) -> String {
        switch subject {
        case .lbd: ""
        case .listener: "listeners.NAME."
        case .pool: "pools.NAME."
        case .backend: "pools.NAME.backends.NAME."
        }
    }

    private static func required(_ subject: ConfigurationSubject, _ random: inout SeededGenerator) -> [Setting] {
        switch subject {
        case .lbd, .pool: []
        case .listener: [Setting(key: "bind", value: "127.0.0.1:\(Int.random(in: 1...9, using: &random))"), Setting(key: "pool", value: "web")]
        case .backend: [Setting(key: "address", value: "127.0.0.1:\(Int.random(in: 5...40, using: &random))")]
        }
    }

    private static func setting(of prefix: String, _ random: inout SeededGenerator) -> Setting {
        let options = optionDescriptions().filter { option in
            option.path.hasPrefix(prefix) && !option.path.dropFirst(prefix.count).contains("NAME")
        }
        let option = options.randomElement(using: &random)!
        let key = String(option.path.dropFirst(prefix.count))
        return Setting(key: key, value: Int.random(in: 0..<4, using: &random) == 0 ? "" : value(of: option, &random))
    }

    static func value(of option: OptionDescription, _ random: inout SeededGenerator) -> String {
        let bounds = option.bounds.split(separator: " ").map(String.init)
        switch option.type {
        case "duration", "whole number", "size": return [bounds[0], bounds[2], bounds[2]].randomElement(using: &random)!
        case "auto or number": return ["auto", bounds[0], bounds[2]].randomElement(using: &random)!
        case "word": return bounds.filter { $0 != "|" }.randomElement(using: &random)!
        case "true or false": return ["true", "false"].randomElement(using: &random)!
        case "endpoint": return ["127.0.0.1:\(Int.random(in: 1...9, using: &random))", "unix:run/x", "[::1]:80"].randomElement(using: &random)!
        case "address": return ["127.0.0.2", "::1"].randomElement(using: &random)!
        case "pool's name": return ["web", "api", "nobody"].randomElement(using: &random)!
        case "path": return ["run", "/tmp/x y", "a/./b", "/tmp/xy"].randomElement(using: &random)!
        case "list of networks": return ["[10.0.0.0/8, \"::1\"]", "[]"].randomElement(using: &random)!
        case "list of texts": return "[ssh, \"{host}\", '\(["a b", "yes", "#", ""].randomElement(using: &random)!)']"
        case "text": return Int.random(in: 0..<3, using: &random) == 0 ? "/x" : YamlNode.scalar(randomText(&random), quoted: true).flowText
        default: return option.preset
        }
    }
}
