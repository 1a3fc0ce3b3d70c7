// What the interface promises and this version cannot do yet: answered with a plain word, not with a guess.

enum Unavailable {
    /// By the section's name; empty for the top level.
    static let keys: [String: [String]] = [
        "": ["admin"],
    ]

}
