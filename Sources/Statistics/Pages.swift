// Which pages of the segment have memory behind them.

struct Pages {
    private var bits: [UInt64]

    init(bytes: Int) { bits = [UInt64](repeating: 0, count: (bytes / SegmentLayout.pageBytes + 64) / 64) }

    /// The first run of pages in a part of the segment, in bytes, that have none yet; nil: all have.
    func missing(in part: Range<Int>) -> Range<Int>? {
        let size = SegmentLayout.pageBytes
        let pages = part.lowerBound / size..<(part.upperBound + size - 1) / size
        guard let first = pages.first(where: { !contains($0) }) else { return nil }
        let end = (first..<pages.upperBound).first { contains($0) } ?? pages.upperBound
        return first * size..<end * size
    }

    mutating func insert(_ part: Range<Int>) {
        for page in part.lowerBound / SegmentLayout.pageBytes..<part.upperBound / SegmentLayout.pageBytes { bits[page / 64] |= 1 << UInt64(page % 64) }
    }

    private func contains(_ page: Int) -> Bool { bits[page / 64] & 1 << UInt64(page % 64) != 0 }
}
