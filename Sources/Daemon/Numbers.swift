// Numbers that are given out and taken back, such as slots. One that came back waits behind all others that did, so that
// it stays unused for as long as it can.

struct Numbers {
    private let max: Int
    private var fresh: Int
    private var returned: [Int] = []
    /// Before it `returned` is used up.
    private var start = 0

    /// first ..< max
    init(from first: Int = 0, max: Int) { (fresh, self.max) = (first, max) }

    var available: Int { max - fresh + returned.count - start }

    /// Those that `take` gives next, as many as there are.
    func next(_ count: Int) -> [Int] {
        let again = returned[start...].prefix(count)
        return Array(again) + (fresh..<min(max, fresh + Swift.max(0, count - again.count)))
    }

    /// Nil: all are out.
    mutating func take() -> Int? {
        if start < returned.count {
            defer { start += 1 }
            return returned[start]
        }
        guard fresh < max else { return nil }
        defer { fresh += 1 }
        return fresh
    }

    mutating func give(_ number: Int) {
        if start > 64, start * 2 > returned.count {
            returned.removeFirst(start)
            start = 0
        }
        returned.append(number)
    }
}
