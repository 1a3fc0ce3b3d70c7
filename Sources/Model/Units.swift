// Durations, sizes and times as people write them.

/// Why a text is not a quantity, in words that continue "X: …".
package struct UnitError: Error, Equatable, CustomStringConvertible {
    package let description: String
}

/// Units of a written duration, largest first, in milliseconds.
private let durationUnits: [(suffix: String, milliseconds: Int64)] = [
    ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1),
]

extension Duration {
    /// Reads `250ms`, `2s`, `5m`, `1h`, `7d`. Whole numbers only; at most 10 years.
    package init(written text: String) throws(UnitError) {
        guard !text.hasPrefix("-") else { throw UnitError(description: "a duration cannot be negative") }
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let suffix = text.dropFirst(digits.count)
        guard !digits.isEmpty, let unit = durationUnits.first(where: { $0.suffix == suffix }) else {
            throw UnitError(description: "a duration is a whole number and a unit, such as 250ms, 2s, 5m, 1h or 7d")
        }
        let (milliseconds, overflow) = (Int64(digits) ?? .max).multipliedReportingOverflow(by: unit.milliseconds)
        guard !overflow, milliseconds <= 10 * 366 * 86_400_000 else {
            throw UnitError(description: "a duration is at most 10 years")
        }
        self = .milliseconds(milliseconds)
    }

    /// The shortest exact form with one unit: `90s`, `1500ms`, `2h`; `0s` for none.
    package var written: String {
        let milliseconds = wholeMilliseconds
        guard milliseconds != 0 else { return "0s" }
        let unit = durationUnits.first { milliseconds % $0.milliseconds == 0 }!
        return "\(milliseconds / unit.milliseconds)\(unit.suffix)"
    }

    /// For people: `24 ms`, `1.3 s`, `12 s`, `4 m 10 s`, `1 h 2 m`.
    package var spoken: String {
        let milliseconds = max(0, wholeMilliseconds)
        let seconds = milliseconds / 1000
        switch seconds {
        case 0: return "\(milliseconds) ms"
        case 1..<10: return "\(seconds).\(milliseconds % 1000 / 100) s"
        case 10..<60: return "\(seconds) s"
        case 60..<3600: return "\(seconds / 60) m \(seconds % 60) s"
        case 3600..<86_400: return "\(seconds / 3600) h \(seconds % 3600 / 60) m"
        default: return "\(seconds / 86_400) d \(seconds % 86_400 / 3600) h"
        }
    }

    /// Whole milliseconds, rounded towards zero; saturates beyond Int64.
    package var wholeMilliseconds: Int64 {
        count(inSecond: 1000)
    }

    /// Whole nanoseconds, rounded towards zero; saturates beyond Int64 (292 years).
    package var wholeNanoseconds: Int64 {
        count(inSecond: 1_000_000_000)
    }

    /// How many parts of a second, `inSecond` of which make one.
    private func count(inSecond: Int64) -> Int64 {
        let (whole, tooMany) = components.seconds.multipliedReportingOverflow(by: inSecond)
        let rest = components.attoseconds / (1_000_000_000_000_000_000 / inSecond)
        let (sum, stillTooMany) = whole.addingReportingOverflow(rest)
        guard !tooMany, !stillTooMany else { return components.seconds < 0 ? .min : .max }
        return sum
    }

    /// Seconds as JSON and metrics carry them.
    package var inSeconds: Double { Double(wholeNanoseconds) / 1e9 }
}

/// A point on the machine's monotonic clock, in nanoseconds. Comparable within one boot only.
package struct MonotonicTime: InstantProtocol, Hashable, Sendable {
    package var nanoseconds: Int64
    package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    package func advanced(by duration: Duration) -> MonotonicTime {
        let (sum, overflow) = nanoseconds.addingReportingOverflow(duration.wholeNanoseconds)
        return MonotonicTime(nanoseconds: overflow ? (duration < .zero ? .min : .max) : sum)
    }
    package func duration(to other: MonotonicTime) -> Duration {
        .nanoseconds(other.nanoseconds - nanoseconds)
    }
    package static func < (left: Self, right: Self) -> Bool { left.nanoseconds < right.nanoseconds }
}

/// A point of calendar time, for people and files; never used to measure how long something took.
package struct Timestamp: Hashable, Comparable, Sendable {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    package let milliseconds: Int64
    package init(milliseconds: Int64) { self.milliseconds = milliseconds }

    package static func < (left: Self, right: Self) -> Bool { left.milliseconds < right.milliseconds }

    /// RFC 3339 in UTC with milliseconds: `2026-11-21T08:33:04.120Z`.
    /// The date follows H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
    package var rfc3339: String {
        let days = milliseconds.floorDivided(by: 86_400_000)
        let inDay = milliseconds - days * 86_400_000
        let shifted = days + 719_468
        let era = shifted.floorDivided(by: 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        // Written digit by digit: a status of a thousand backends holds as many times.
        var text: [UInt8] = []
        text.reserveCapacity(24)
        text.append(year, digits: 4, then: "-")
        text.append(month, digits: 2, then: "-")
        text.append(day, digits: 2, then: "T")
        text.append(inDay / 3_600_000, digits: 2, then: ":")
        text.append(inDay / 60_000 % 60, digits: 2, then: ":")
        text.append(inDay / 1000 % 60, digits: 2, then: ".")
        text.append(inDay % 1000, digits: 3, then: "Z")
        return String(decoding: text, as: UTF8.self)
    }

    /// Reads what `rfc3339` writes, and the same with another fraction of the second or none: what is finer than a
    /// millisecond is left out. Nil for anything else. The days follow the same paper, days_from_civil.
    package init?(rfc3339 text: String) {
        guard let bytes = Timestamp.toTheMillisecond(text) else { return nil }
        let number = { (range: Range<Int>) in
            bytes[range].reduce(into: Int64(0)) { $0 = $0 * 10 + Int64($1) - Int64(UInt8(ascii: "0")) }
        }
        let year = number(0..<4), month = number(5..<7), day = number(8..<10)
        let yearFromMarch = month <= 2 ? year - 1 : year
        let era = yearFromMarch.floorDivided(by: 400)
        let yearOfEra = yearFromMarch - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let days = era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
        let seconds = number(11..<13) * 3600 + number(14..<16) * 60 + number(17..<19)
        self.init(milliseconds: days * 86_400_000 + seconds * 1000 + number(20..<23))
        // Whatever is not a date, or is written in another way, is not written so again.
        guard rfc3339.utf8.elementsEqual(bytes) else { return nil }
    }

    /// `….120Z` of a text that ends with `Z`, or a point, one digit to nine, and `Z`.
    private static func toTheMillisecond(_ text: String) -> [UInt8]? {
        let bytes = Array(text.utf8)
        guard (20...30).contains(bytes.count), bytes.last == UInt8(ascii: "Z") else { return nil }
        let fraction = bytes[19..<bytes.count - 1]
        guard fraction.isEmpty || fraction.first == UInt8(ascii: ".") && fraction.count > 1 else { return nil }
        let digits = fraction.dropFirst()
        guard digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return nil }
        return bytes[..<19] + [UInt8(ascii: ".")] + (digits + Array("000".utf8)).prefix(3) + [UInt8(ascii: "Z")]
    }
}

extension [UInt8] {
    /// At least so many digits; nothing negative.
    fileprivate mutating func append(_ number: Int64, digits: Int, then mark: Unicode.Scalar) {
        let number = Swift.max(0, number)
        var unit: Int64 = 1
        for _ in 1..<digits { unit *= 10 }
        while number / unit >= 10 { unit *= 10 }
        while unit > 0 {
            append(UInt8(ascii: "0") + UInt8(number / unit % 10))
            unit /= 10
        }
        append(UInt8(ascii: mark))
    }
}

extension Int64 {
    fileprivate func floorDivided(by divisor: Int64) -> Int64 {
        let quotient = self / divisor
        return self % divisor < 0 ? quotient - 1 : quotient
    }
}
