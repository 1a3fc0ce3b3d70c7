// What a pool does when none of its backends is available: `when-none`, `hold` and `divert`, and where diverts lead.
import Model

/// A pool's `divert`, to be checked when all pools are known.
struct Divert {
    let pool: String
    let to: PoolName
    let place: Place
}

extension Loader {
    mutating func whenNone(_ pool: SectionReader, of name: PoolName) -> WhenNone? {
        let word = pool.value(Declared.whenNone, &findings)
        let divert = pool.optional(Declared.divert, &findings)
        guard let section = pool.open(Declared.hold, &findings) else { return nil }
        let lengthMax = section.value(Declared.holdLengthMax, &findings)
        let timeout = section.value(Declared.holdTimeout, &findings)
        guard let word, let divert, let lengthMax, let timeout else { return nil }
        if word != .hold {
            let why = "goes with when-none: hold and when-none is \(word.rawValue); write when-none: hold, or take '\(Declared.hold.name)' out"
            refuseIdle(Declared.holdLengthMax, in: section, why: why)
            refuseIdle(Declared.holdTimeout, in: section, why: why)
        }
        switch word {
        case .refuse, .hold:
            if let place = pool.entry(Declared.divert.name)?.place {
                findings.add(place, idle: Declared.divert.name, "\(pool.phrase(Declared.divert.name)) goes with when-none: divert and when-none is \(word.rawValue); "
                    + "write when-none: divert, or take '\(Declared.divert.name)' out")
            }
            return word == .hold ? .hold(lengthMax: lengthMax, timeout: timeout) : .refuse
        case .divert: return self.divert(pool, of: name, to: divert.value)
        }
    }

    private mutating func divert(_ pool: SectionReader, of name: PoolName, to other: PoolName?) -> WhenNone? {
        guard let other, let place = pool.entry(Declared.divert.name)?.value.place else {
            let place = pool.entry(Declared.whenNone.name)?.value.place ?? pool.place
            findings.add(
                place, "\(pool.phrase(Declared.whenNone.name)) is divert, which needs '\(Declared.divert.name)'; "
                    + "add \(Declared.divert.name): and the pool that connections go to")
            return nil
        }
        diverts.append(Divert(pool: name.text, to: other, place: place))
        return .divert(other)
    }

    /// Each leads to a pool of this file, and none of them round to where it began.
    mutating func checkDiverts(_ file: SectionReader) {
        guard let pools = poolNames(file) else { return }
        let next = Dictionary(diverts.map { ($0.pool, $0.to.text) }) { first, _ in first }
        for divert in diverts {
            guard pools.contains(divert.to.text) else {
                let names = pools.sorted()
                let nearest = suggestion(for: divert.to.text, among: names)
                let hint = nearest.isEmpty ? "; defined: \(names.prefix(8).map(\.escapedForOneLine).joined(separator: ", "))" : nearest
                findings.add(divert.place, "'\(Declared.divert.name)' of pool '\(divert.pool)' names pool '\(divert.to)', which is not defined\(hint)")
                continue
            }
            guard let way = loop(from: divert.pool, next) else { continue }
            findings.add(
                divert.place, "'\(Declared.divert.name)' of pool '\(divert.pool)' leads back to it (\(way)); "
                    + "let one of them refuse or hold instead")
        }
    }

    /// `a, b, a` where one comes back to `pool`.
    private func loop(from pool: String, _ next: [String: String]) -> String? {
        var way = [pool]
        while let following = next[way[way.count - 1]], way.count <= next.count {
            way.append(following)
            if following == pool { return way.map(\.escapedForOneLine).joined(separator: ", ") }
        }
        return nil
    }
}
