// A client of the control socket that sends nonsense made from what `help` tells, and behaves badly besides.
import ControlProtocol
import Model
import SystemCalls

struct ControlFuzz {
    private let verbs: [HelpRecord]
    private var random: SeededRandom

    init(verbs: [HelpRecord], seed: UInt64) {
        self.verbs = verbs
        random = SeededRandom(seed: seed)
    }

    /// One conversation, however it ends; how many lines were sent.
    mutating func converse(at path: String) -> Int {
        var sent = 0
        // lbd hangs up on some, and turns others away: its right.
        do {
            let peer = try Peer(connecting: .unix(path: path), patience: .seconds(10))
            defer { peer.close() }
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                var bytes: [UInt8] = []
                for _ in 0..<Int.random(in: 1...3, using: &random) {
                    bytes += line() + (chance(20) ? [] : [0x0A])
                    sent += 1
                }
                try peer.send(bytes)
                if chance(30) { continue }
                if chance(10) { peer.halfClose() }
                // What comes soon is read, perhaps; nothing is waited for.
                while !peer.isQuiet(for: .milliseconds(5)), !chance(5) {
                    guard case .bytes = try peer.receive(max: 4096) else { return sent }
                }
            }
        } catch {}
        return sent
    }

    private mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }

    private mutating func line() -> [UInt8] {
        let verb = verbs.randomElement(using: &random)!
        var words = [chance(90) ? verb.verb : ["", "DRAIN", "statu", "+ok", "-64", "\u{202E}"].randomElement(using: &random)!]
        for _ in 0..<Int.random(in: 0...4, using: &random) { words.append(argument(of: verb)) }
        var line = Array(words.map { chance(20) ? quoted($0) : $0 }.joined(separator: " ").utf8)
        if chance(40) { mutate(&line) }
        return line
    }

    /// From the usage: its keys and bare words; else a name of the pool that may be played with.
    private mutating func argument(of verb: HelpRecord) -> String {
        let names = ["spare", "spare/a", "spare/b", "spare/c", "nothing/a", "spare/", "/", "a/b/c"]
        guard chance(50) else { return names.randomElement(using: &random)! }
        let usage = verb.arguments.split { !$0.isLetter && $0 != "=" && $0 != "-" }.map(String.init)
        guard let word = usage.randomElement(using: &random) else { return "x" }
        guard let equals = word.firstIndex(of: "=") else { return word.lowercased() }
        let values = ["yes", "no", "json", "text", "1ms", "50ms", "-1s", "99999999999999999999d", "0", "", "x", String(repeating: "é", count: 150)]
        return word[...equals] + values.randomElement(using: &random)!
    }

    private mutating func quoted(_ word: String) -> String {
        ["'\(word)'", "\"\(word)\"", "\"\(word)", "\\\(word)", "''\(word)\"\""].randomElement(using: &random)!
    }

    private mutating func mutate(_ line: inout [UInt8]) {
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let place = Int.random(in: 0...line.count, using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0: line.insert(.random(in: 0...255, using: &random), at: place)
            case 1: line.insert(contentsOf: [0], at: place)
            case 2: line = Array(line.prefix(place))
            case 3: line += line.suffix(place)
            case 4: line.insert(contentsOf: [UInt8](repeating: 0x61, count: .random(in: 1...70_000, using: &random)), at: place)
            default: if place < line.count { line[place] ^= 1 << UInt8.random(in: 0..<8, using: &random) }
            }
        }
    }
}
