// Texts from outside made safe to print, the nearest of some names to a mistyped one, and counted nouns.

/// `1 listener`, `2 listeners`.
package func counted(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }

extension String {
    /// The text on one line: control characters, quotes' backslashes and non-ASCII scalars as escapes,
    /// cut after 120 characters. What a peer sends never forges a second record (CVE-2024-45808).
    package var escapedForOneLine: String {
        var result = ""
        for scalar in unicodeScalars {
            guard result.utf8.count < 120 else { return result + "..." }
            switch scalar.value {
            case 0x0A: result += "\\n"
            case 0x0D: result += "\\r"
            case 0x09: result += "\\t"
            case 0x5C: result += "\\\\"
            case 0x20...0x7E: result.unicodeScalars.append(scalar)
            default: result += "\\u{" + String(scalar.value, radix: 16) + "}"
            }
        }
        return result
    }

    /// What is no printable character as an escape: controls, line ends, and what turns the direction of writing or is not
    /// seen. All else stays, backslashes too: for texts whose parts from outside are escaped already.
    package var escapedControls: String {
        guard utf8.contains(where: { $0 < 0x20 || $0 > 0x7E }), unicodeScalars.contains(where: { !$0.isPrintable }) else { return self }
        var result = ""
        for scalar in unicodeScalars {
            if scalar.isPrintable { result.unicodeScalars.append(scalar) } else { result += "\\u{" + String(scalar.value, radix: 16) + "}" }
        }
        return result
    }

    /// Number of single insertions, deletions, replacements and swaps of neighbours that turn one text
    /// into the other (optimal string alignment). Texts of more than 64 bytes count as far apart.
    package func editDistance(to other: String) -> Int {
        let left = Array(utf8.prefix(65)), right = Array(other.utf8.prefix(65))
        guard left.count <= 64, right.count <= 64 else { return max(utf8.count, other.utf8.count) }
        var beforePrevious = [Int](repeating: 0, count: right.count + 1)
        var previous = Array(0...right.count)
        for i in left.indices {
            var current = [i + 1]
            for j in right.indices {
                let replaced = previous[j] + (left[i] == right[j] ? 0 : 1)
                var best = Swift.min(replaced, previous[j + 1] + 1, current[j] + 1)
                if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] {
                    best = Swift.min(best, beforePrevious[j - 1] + 1)
                }
                current.append(best)
            }
            beforePrevious = previous
            previous = current
        }
        return previous[right.count]
    }

    /// The candidate that was probably meant, or none when nothing is near
    /// (more than a third of the characters differ).
    package func nearest(among candidates: some Sequence<String>) -> String? {
        var best: (name: String, distance: Int)?
        for candidate in candidates {
            let most = max(1, max(utf8.count, candidate.utf8.count) / 3)
            // Among thousands of names most are told apart by their length.
            guard abs(utf8.count - candidate.utf8.count) <= most else { continue }
            let distance = editDistance(to: candidate)
            guard distance <= most else { continue }
            if best == nil || distance < best!.distance { best = (candidate, distance) }
        }
        return best?.name
    }
}

extension Unicode.Scalar {
    private static let hidden: [Unicode.GeneralCategory] = [
        .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned,
    ]

    fileprivate var isPrintable: Bool {
        value < 0x7F ? value >= 0x20 : !Unicode.Scalar.hidden.contains(properties.generalCategory)
    }
}
