// What a client may ask a backend, and how the answer reads: one line each way, plain enough for `nc`.

/// Which backend answered, and in which of its lives.
struct Answerer: Hashable, Sendable, CustomStringConvertible {
    let name: String
    let generation: Int

    init(name: String, generation: Int) {
        self.name = name
        self.generation = generation
    }

    /// Reads `NAME GENERATION`.
    init?(_ text: some StringProtocol) {
        let words = text.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 2, !words[0].isEmpty, let generation = Int(words[1]), generation > 0 else { return nil }
        self.init(name: String(words[0]), generation: generation)
    }

    var description: String { "\(name) \(generation)" }
}

enum Inquiry: Equatable, Sendable {
    /// `hello` -> `NAME GENERATION`
    case hello
    /// `ping TEXT` -> `pong TEXT NAME GENERATION`; the text is one word.
    case ping(String)
    /// `bytes N` -> so many bytes, no line end.
    case bytes(Int)

    static let lineBytesMax = 1024
    static let help = "ask 'hello', 'ping WORD' or 'bytes N'"

    init?(_ line: [UInt8]) {
        let words = String(decoding: line, as: UTF8.self).split(separator: " ", omittingEmptySubsequences: false)
        switch (words.first, words.count) {
        case ("hello", 1): self = .hello
        case ("ping", 2) where !words[1].isEmpty: self = .ping(String(words[1]))
        case ("bytes", 2):
            guard let count = Int(words[1]), count >= 0 else { return nil }
            self = .bytes(count)
        default: return nil
        }
    }

    var line: String {
        switch self {
        case .hello: "hello"
        case .ping(let text): "ping \(text)"
        case .bytes(let count): "bytes \(count)"
        }
    }

    enum Answer: Equatable, Sendable {
        /// Without its newline.
        case line(String)
        /// So many bytes of no meaning.
        case filler(Int)
    }

    func answer(of answerer: Answerer) -> Answer {
        switch self {
        case .hello: .line(answerer.description)
        case .ping(let text): .line("pong \(text) \(answerer)")
        case .bytes(let count): .filler(count)
        }
    }

    /// Who answered this inquiry with this line; nil where the line is no answer to it.
    func answerer(in line: String) -> Answerer? {
        switch self {
        case .hello:
            return Answerer(line)
        case .ping(let text):
            let start = "pong \(text) "
            return line.hasPrefix(start) ? Answerer(line.dropFirst(start.count)) : nil
        case .bytes:
            return nil
        }
    }
}
