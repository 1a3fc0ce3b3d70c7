// What may be said to a running rollout over its own socket: the same lines as to a balancer, other verbs.
import Model

package enum RolloutOrderWord: String, Equatable, Sendable, CaseIterable {
    case help, status, pause
    case goOn = "continue"
    case done, abort

    package var doc: String {
        switch self {
        case .help: "this list"
        case .status: "what it waits for, and how each backend stands"
        case .pause: "the step in hand is finished, the next is not begun"
        case .goOn: "after a pause, go on; where a person restarts a backend, it is done"
        case .done: "what a person had to do is done"
        case .abort: "as Ctrl-C does: the step in hand is finished or undone, and then it ends; the second time no person is waited for"
        }
    }
}

package struct RolloutRequest: Equatable, Sendable {
    package let word: RolloutOrderWord
    package let output: Output

    package init(_ word: RolloutOrderWord, output: Output = .text) {
        self.word = word
        self.output = output
    }

    /// Reads a request line.
    package init(line: [UInt8]) throws(LineError) {
        let words = try RequestLine.words(line)
        guard let name = words.first else { throw LineError(description: "the line is empty: try 'help'") }
        guard let word = RolloutOrderWord(rawValue: name) else {
            let nearest = name.nearest(among: RolloutOrderWord.allCases.map(\.rawValue)).map { "did you mean '\($0)'?" } ?? "try 'help'"
            throw LineError(description: "unknown verb '\(name.escapedForOneLine)'; \(nearest)")
        }
        let verb = Verb(name: word.rawValue, arguments: "", doc: word.doc, keys: [])
        var arguments = try Arguments(verb: verb, words: words.dropFirst())
        self.init(word, output: try arguments.output())
        try arguments.finish()
    }

    /// The line that reads back as this request.
    package var line: String { word.rawValue + (output == .json ? " output=json" : "") }
}
