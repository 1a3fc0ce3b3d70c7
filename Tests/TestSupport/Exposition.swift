// Metrics as text, read strictly: what a monitoring system takes, and what it would take for something else, is told apart.

/// What is wrong with the text, and where.
package struct ExpositionError: Error, CustomStringConvertible {
    package let description: String
}

package struct Exposition: Sendable {
    package struct Sample: Sendable {
        package let name: String
        package let labels: [String: String]
        /// In the order in which they stand there.
        package let labelNames: [String]
        package let value: Double

        /// As it identifies the series.
        package var series: String {
            name + "{" + labels.sorted { $0.key < $1.key }.map { "\($0.key)=\"\($0.value)\"" }.joined(separator: ",") + "}"
        }
    }

    package struct Family: Sendable {
        package let name: String
        package fileprivate(set) var type: String?
        package fileprivate(set) var unit: String?
        package fileprivate(set) var help: String?
        package fileprivate(set) var samples: [Sample] = []
    }

    package private(set) var families: [Family] = []
    private let isOpenMetrics: Bool

    package init(_ text: String, isOpenMetrics: Bool) throws {
        self.isOpenMetrics = isOpenMetrics
        guard text.hasSuffix("\n") else { throw ExpositionError(description: "the last line has no end") }
        var lines = text.dropLast().split(separator: "\n", omittingEmptySubsequences: false)[...]
        if isOpenMetrics {
            guard lines.popLast() == "# EOF" else { throw ExpositionError(description: "the last line is not '# EOF'") }
        }
        for (index, line) in lines.enumerated() {
            do { try add(line) } catch { throw ExpositionError(description: "line \(index + 1), '\(line)': \(error)") }
        }
        try check()
    }

    package var samples: [Sample] { families.flatMap(\.samples) }

    package func value(_ name: String, _ labels: [String: String] = [:]) -> Double? {
        samples.first { $0.name == name && $0.labels == labels }?.value
    }

    /// Of all series of that name that have these labels among theirs.
    package func sum(_ name: String, where labels: [String: String] = [:]) -> Double {
        samples.filter { sample in sample.name == name && labels.allSatisfy { sample.labels[$0.key] == $0.value } }.reduce(0) { $0 + $1.value }
    }

    // MARK: Lines

    private mutating func add(_ line: Substring) throws {
        guard !line.isEmpty else { throw ExpositionError(description: "an empty line") }
        guard line.hasPrefix("#") else { return try add(sample: line) }
        let parts = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 4, parts[0] == "#", isName(parts[2]) else { throw ExpositionError(description: "no such comment") }
        if families.last?.name != parts[2] {
            guard !families.contains(where: { $0.name == parts[2] }) else { throw ExpositionError(description: "a second time") }
            families.append(Family(name: parts[2]))
        }
        var family = families.removeLast()
        guard family.samples.isEmpty else { throw ExpositionError(description: "behind the samples") }
        switch parts[1] {
        case "HELP" where family.help == nil: family.help = parts[3]
        case "TYPE" where family.type == nil && types.contains(parts[3]): family.type = parts[3]
        case "UNIT" where family.unit == nil && isOpenMetrics: family.unit = parts[3]
        default: throw ExpositionError(description: "a second time, or unknown")
        }
        families.append(family)
    }

    private var types: [String] {
        isOpenMetrics ? ["counter", "gauge", "histogram", "info", "unknown"] : ["counter", "gauge", "histogram"]
    }

    private mutating func add(sample line: Substring) throws {
        let sample = try Sample(line)
        guard let family = families.last, let type = family.type, family.help != nil else { throw ExpositionError(description: "no TYPE and HELP before it") }
        let suffixes = switch type {
        case "histogram": ["_bucket", "_sum", "_count"]
        case "counter": isOpenMetrics ? ["_total"] : [""]
        case "info": ["_info"]
        default: [""]
        }
        guard suffixes.contains(where: { family.name + $0 == sample.name }) else { throw ExpositionError(description: "not of family \(family.name)") }
        guard type == "gauge" || type == "unknown" || sample.value >= 0 else { throw ExpositionError(description: "negative") }
        families[families.count - 1].samples.append(sample)
    }

    private func isName(_ text: String) -> Bool { text.wholeMatch(of: /[a-zA-Z_][a-zA-Z0-9_]*/) != nil }

    // MARK: The whole

    private func check() throws {
        var seen: Set<String> = []
        for sample in samples where !seen.insert(sample.series).inserted { throw ExpositionError(description: "\(sample.series) a second time") }
        // OpenMetrics: no two families may lay claim to one name.
        var names: Set<String> = []
        for family in families {
            if !isOpenMetrics, family.type == "counter", !family.name.hasSuffix("_total") { throw ExpositionError(description: "\(family.name) lacks _total") }
            if let unit = family.unit, !family.name.hasSuffix("_" + unit) { throw ExpositionError(description: "\(family.name) is not in \(unit)") }
            let suffixes: Set<String> = switch family.type {
            case "counter": isOpenMetrics ? ["", "_total", "_created"] : [""]
            case "histogram": ["", "_bucket", "_sum", "_count", "_created"]
            case "info": ["", "_info"]
            default: [""]
            }
            for suffix in suffixes where !names.insert(family.name + suffix).inserted {
                throw ExpositionError(description: "\(family.name)\(suffix) is another family's name too")
            }
            if family.type == "histogram" { try check(histogram: family) }
        }
    }

    private func check(histogram family: Family) throws {
        let rows = Dictionary(grouping: family.samples) { sample in
            sample.labels.filter { $0.key != "le" }.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
        }
        for (row, samples) in rows {
            let buckets = samples.filter { $0.name.hasSuffix("_bucket") }
            let bounds = buckets.compactMap { $0.labels["le"].flatMap { $0 == "+Inf" ? Double.infinity : Double($0) } }
            let counts = buckets.map(\.value)
            guard bounds.count == buckets.count, bounds.last == .infinity, zip(bounds, bounds.dropFirst()).allSatisfy(<), zip(counts, counts.dropFirst()).allSatisfy(<=),
                samples.count == buckets.count + 2, samples.contains(where: { $0.name.hasSuffix("_sum") }),
                samples.first(where: { $0.name.hasSuffix("_count") })?.value == counts.last
            else { throw ExpositionError(description: "the histogram \(family.name){\(row)} does not add up") }
        }
    }
}

extension Exposition.Sample {
    fileprivate init(_ line: Substring) throws {
        var scanner = Scanner(Array(line.utf8))
        name = try scanner.name()
        var (names, labels) = ([String](), [String: String]())
        if scanner.take("{") {
            repeat {
                let label = try scanner.name()
                guard scanner.take("="), scanner.take("\"") else { throw ExpositionError(description: "\(label) has no value") }
                guard labels.updateValue(try scanner.quoted(), forKey: label) == nil else { throw ExpositionError(description: "\(label) twice") }
                names.append(label)
            } while scanner.take(",")
            guard scanner.take("}") else { throw ExpositionError(description: "no end of the labels") }
        }
        guard scanner.take(" "), let value = Double(scanner.rest), value.isFinite else { throw ExpositionError(description: "no number") }
        (self.labels, labelNames, self.value) = (labels, names, value)
    }

    private struct Scanner {
        private let bytes: [UInt8]
        private var place = 0

        init(_ bytes: [UInt8]) { self.bytes = bytes }

        var rest: String { String(decoding: bytes[place...], as: UTF8.self) }

        mutating func take(_ mark: Unicode.Scalar) -> Bool {
            guard place < bytes.count, bytes[place] == UInt8(ascii: mark) else { return false }
            place += 1
            return true
        }

        mutating func name() throws -> String {
            let start = place
            while place < bytes.count, isNamePart(bytes[place], isFirst: place == start) { place += 1 }
            guard place > start else { throw ExpositionError(description: "no name at byte \(start + 1)") }
            return String(decoding: bytes[start..<place], as: UTF8.self)
        }

        private func isNamePart(_ byte: UInt8, isFirst: Bool) -> Bool {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"): true
            case UInt8(ascii: "0")...UInt8(ascii: "9"): !isFirst
            default: false
            }
        }

        /// Up to the quote that ends it.
        mutating func quoted() throws -> String {
            var text: [UInt8] = []
            while place < bytes.count, !take("\"") {
                guard take("\\") else {
                    text.append(bytes[place])
                    place += 1
                    continue
                }
                if take("n") { text.append(0x0A) } else if take("\\") { text.append(UInt8(ascii: "\\")) } else if take("\"") {
                    text.append(UInt8(ascii: "\""))
                } else { throw ExpositionError(description: "an unknown escape at byte \(place + 1)") }
            }
            guard bytes[place - 1] == UInt8(ascii: "\"") else { throw ExpositionError(description: "a quote that is never closed") }
            return String(decoding: text, as: UTF8.self)
        }
    }
}
