// The lines of metrics as they are written: bytes, as a thousand backends are some ten thousand lines.
import Model

/// Labels as they stand between the braces, escaped.
struct Labels: Sendable {
    fileprivate let bytes: [UInt8]

    static let none = Labels([])

    init(_ pairs: KeyValuePairs<StaticString, String>) {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(96)
        for (name, value) in pairs {
            if !bytes.isEmpty { bytes.append(UInt8(ascii: ",")) }
            bytes.append(contentsOf: "\(name)".utf8)
            bytes.append(contentsOf: "=\"".utf8)
            bytes.appendEscaped(value)
            bytes.append(UInt8(ascii: "\""))
        }
        self.bytes = bytes
    }

    private init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// One for each of an enumeration's words.
    static func each<Word: CaseIterable & RawRepresentable<String>>(_ name: StaticString, of words: Word.Type) -> [(word: Word, labels: Labels)] {
        Word.allCases.map { ($0, Labels([name: $0.rawValue])) }
    }
}

extension [UInt8] {
    fileprivate mutating func appendEscaped(_ value: String) {
        for byte in value.utf8 {
            switch byte {
            case UInt8(ascii: "\\"): append(contentsOf: [byte, byte])
            case UInt8(ascii: "\""): append(contentsOf: [UInt8(ascii: "\\"), byte])
            case UInt8(ascii: "\n"): append(contentsOf: [UInt8(ascii: "\\"), UInt8(ascii: "n")])
            default: append(byte)
            }
        }
    }
}

/// One family at a time, one row of it at a time: a listener, a backend.
struct Samples {
    var bytes: [UInt8] = []
    private var name: [UInt8] = []
    private var rowLabels: [UInt8] = []

    mutating func begin(_ metric: Metric, _ form: ExpositionForm) {
        name = Array(metric.name.utf8)
        bytes.append(contentsOf: metric.head(form).utf8)
    }

    mutating func begin(row labels: Labels) { rowLabels = labels.bytes }

    mutating func add(_ value: UInt64, _ labels: Labels = .none) {
        beginLine(labels)
        append(value)
        endLine()
    }

    mutating func add(_ value: Int, _ labels: Labels = .none) {
        beginLine(labels)
        if value < 0 { bytes.append(UInt8(ascii: "-")) }
        append(UInt64(value.magnitude))
        endLine()
    }

    mutating func add(_ isSo: Bool, _ labels: Labels = .none) {
        beginLine(labels)
        bytes.append(UInt8(ascii: isSo ? "1" : "0"))
        endLine()
    }

    /// In seconds.
    mutating func add(nanoseconds: UInt64, _ labels: Labels = .none) {
        beginLine(labels)
        append(nanoseconds: nanoseconds)
        endLine()
    }

    /// As seconds since 1970.
    mutating func add(_ time: Timestamp, _ labels: Labels = .none) {
        add(nanoseconds: UInt64(max(0, time.milliseconds)) * 1_000_000, labels)
    }

    private mutating func beginLine(_ labels: Labels) {
        bytes.append(contentsOf: name)
        append(rowLabels, labels.bytes)
    }

    private mutating func append(_ first: [UInt8], _ second: [UInt8]) {
        if !first.isEmpty || !second.isEmpty {
            bytes.append(UInt8(ascii: "{"))
            bytes.append(contentsOf: first)
            if !first.isEmpty, !second.isEmpty { bytes.append(UInt8(ascii: ",")) }
            bytes.append(contentsOf: second)
            bytes.append(UInt8(ascii: "}"))
        }
        bytes.append(UInt8(ascii: " "))
    }

    private mutating func endLine() { bytes.append(UInt8(ascii: "\n")) }

    private mutating func append(_ number: UInt64) {
        guard number > 9 else { return bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: number)) }
        let start = bytes.count
        var rest = number
        while rest > 0 {
            bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10))
            rest /= 10
        }
        bytes[start...].reverse()
    }

    /// Exactly, as a decimal fraction of a second without zeros at its end.
    private mutating func append(nanoseconds: UInt64) {
        append(nanoseconds / 1_000_000_000)
        var (rest, unit) = (nanoseconds % 1_000_000_000, UInt64(100_000_000))
        guard rest > 0 else { return }
        bytes.append(UInt8(ascii: "."))
        while rest > 0 {
            bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest / unit))
            (rest, unit) = (rest % unit, unit / 10)
        }
    }
}

// Histograms.
extension Samples {
    private static let bucket = Array("_bucket".utf8)
    private static let count = Array("_count".utf8)
    private static let sum = Array("_sum".utf8)

    /// The bounds' counts go up from one to the next; the last is that of all.
    mutating func add(_ times: TimeCounts, _ bounds: TimeBounds) {
        var (total, next) = (UInt64(0), 0)
        for (bucket, label) in bounds.inOrder {
            while next < bucket { (total, next) = (total &+ times.counts[next], next + 1) }
            addPart(Samples.bucket, total, label)
        }
        for bucket in next..<times.counts.count { total &+= times.counts[bucket] }
        addPart(Samples.bucket, total, TimeBounds.all)
        addPart(Samples.count, total, .none)
        bytes.append(contentsOf: name)
        bytes.append(contentsOf: Samples.sum)
        append(rowLabels, [])
        append(nanoseconds: times.sum)
        endLine()
    }

    private mutating func addPart(_ suffix: [UInt8], _ value: UInt64, _ labels: Labels) {
        bytes.append(contentsOf: name)
        bytes.append(contentsOf: suffix)
        append(rowLabels, labels.bytes)
        append(value)
        endLine()
    }
}

/// Where a histogram of times is cut for the metrics: at borders of its own buckets, so that each count is exact. They
/// are printed as they are: 1.024 µs times a power of two.
struct TimeBounds: Sendable {
    /// All of the buckets before this one are below the bound.
    fileprivate let inOrder: [(bucket: Int, labels: Labels)]
    fileprivate static let all = Labels(["le": "+Inf"])

    /// `nanoseconds`: from the first to the last; each is `factor` times, a power of two, the one before.
    init(from first: Int64, to last: Int64, times factor: Int64) {
        inOrder = sequence(first: first) { $0 < last ? $0 * factor : nil }.map { nanoseconds in
            let bucket = TimeBuckets.index(of: nanoseconds)
            precondition(TimeBuckets.start(of: bucket) == nanoseconds, "a bound is the border of a bucket")
            return (bucket, Labels(["le": "\(Double(nanoseconds) / 1e9)"]))
        }
    }
}
