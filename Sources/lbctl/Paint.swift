// Colours for the words of a state, on terminals.

enum Paint {
    private enum Colour: String { case green = "32", yellow = "33", red = "31" }

    /// A backend's row of the status table with its states coloured; other lines as they are.
    static func states(in line: String) -> String {
        // After name and address: wish, probe, availability.
        states(in: line, cells: 2...4)
    }

    /// The same for the table of `top`, where the availability follows the name.
    static func availability(in line: String) -> String { states(in: line, cells: 1...1) }

    private static func states(in line: String, cells stateCells: ClosedRange<Int>) -> String {
        var cells = 0
        var painted = ""
        var rest = line[...]
        while !rest.isEmpty {
            let word = rest.prefix { $0 != " " }
            rest = rest.dropFirst(word.count)
            let blanks = rest.prefix { $0 == " " }
            rest = rest.dropFirst(blanks.count)
            painted += stateCells.contains(cells) ? paint(word) : String(word)
            painted += blanks
            cells += 1
        }
        return painted
    }

    private static func paint(_ word: Substring) -> String {
        guard let colour = colour(of: word) else { return String(word) }
        return "\u{1B}[\(colour.rawValue)m\(word)\u{1B}[0m"
    }

    private static func colour(of word: Substring) -> Colour? {
        switch word {
        case "up", "available", "warming": .green
        case "drain", "draining", "drained", "unknown", "maintenance": .yellow
        case "down": .red
        default: nil
        }
    }
}
