// Numbers as the status page shows them: short, in figures of one width.
import Model

enum PageNumbers {
    /// `1,234,567`
    static func count(_ number: some BinaryInteger) -> String {
        var digits = String(number)
        var at = digits.count - 3
        while at > (number < 0 ? 1 : 0) {
            digits.insert(",", at: digits.index(digits.startIndex, offsetBy: at))
            at -= 3
        }
        return digits
    }

    /// `0`, `0.2`, `12`, `1,234`
    static func rate(_ perSecond: Double) -> String {
        guard perSecond > 0 else { return "0" }
        guard perSecond < 9.95 else { return count(Int(perSecond.rounded())) }
        let tenths = max(1, Int((perSecond * 10).rounded()))
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)"
    }

    /// `0 B`, `12 kB`, `3.4 MB`: by thousands, as networks count.
    static func bytes(_ number: Double) -> String {
        var (value, unit) = (number, 0)
        while value >= 999.5, unit < 5 { (value, unit) = (value / 1000, unit + 1) }
        return (unit == 0 ? "\(Int(value.rounded()))" : rate(value)) + " " + ["B", "kB", "MB", "GB", "TB", "PB"][unit]
    }

    /// `6 s`, `1 m 4 s`: whole seconds, so that it does not jump about.
    static func span(milliseconds: Int64) -> String {
        let seconds = max(0, milliseconds / 1000)
        return seconds < 60 ? "\(seconds) s" : Duration.seconds(seconds).spoken
    }

    static func span(seconds: Double) -> String { span(milliseconds: Int64(min(seconds, 1e12) * 1000)) }

    /// `12:03:04`
    static func time(_ rfc3339: String) -> String { String(rfc3339.dropFirst(11).prefix(8)) }
}
