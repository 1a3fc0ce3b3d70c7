// One metric as it is declared: what it is called, what it is, and by which labels. Its samples: see Family.

struct Metric: Sendable {
    enum Kind: String, Sendable {
        /// Never goes down while this lbd runs.
        case counter
        case gauge
        case histogram
        /// Always 1: what it tells stands in its labels.
        case info
    }

    enum Unit: String, Sendable {
        case seconds, bytes
    }

    let name: String
    let kind: Kind
    let unit: Unit?
    /// In the order in which a sample has them. Their values are names of the configuration and our own words: nothing
    /// that a client can make more of.
    let labels: [String]
    /// One sentence.
    let help: String

    static let all: [Metric] = ProcessReading.families.map(\.metric) + LoopReading.families.map(\.metric)
        + ListenerReading.families.map(\.metric) + PoolReading.families.map(\.metric) + BackendReading.families.map(\.metric)

    /// Names that OpenMetrics would give to more than one of them: a gauge has its counter's name without `_total`.
    private static let ambiguous: Set<String> = {
        let names = Set(all.map(\.name))
        return names.filter { $0.hasSuffix("_total") && names.contains(String($0.dropLast("_total".count))) }
    }()

    /// Comments before the samples.
    func head(_ form: ExpositionForm) -> String {
        switch form {
        case .prometheus:
            let type = kind == .info ? Kind.gauge : kind
            return "# HELP \(name) \(escapedHelp(form))\n# TYPE \(name) \(type.rawValue)\n"
        case .openMetrics:
            let family = openMetricsFamily
            let type = Metric.ambiguous.contains(name) ? "unknown" : kind.rawValue
            let unit = unit.map { "# UNIT \(family) \($0.rawValue)\n" } ?? ""
            return "# TYPE \(family) \(type)\n\(unit)# HELP \(family) \(escapedHelp(form))\n"
        }
    }

    /// OpenMetrics calls a family by what its samples' names have in common. Two families may not have one name, so a
    /// counter beside a gauge of that name goes without its type: what it is called in both forms matters more.
    private var openMetricsFamily: String {
        switch kind {
        case .counter: Metric.ambiguous.contains(name) ? name : String(name.dropLast("_total".count))
        case .info: String(name.dropLast("_info".count))
        case .gauge, .histogram: name
        }
    }

    private func escapedHelp(_ form: ExpositionForm) -> String {
        let lines = help.replacing("\\", with: "\\\\").replacing("\n", with: "\\n")
        return form == .openMetrics ? lines.replacing("\"", with: "\\\"") : lines
    }
}
