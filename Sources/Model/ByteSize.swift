// Sizes in bytes as people write them: `64KiB`, `100MiB`, `512B`.

/// Units of a written size, largest first.
private let sizeUnits: [(suffix: String, bytes: Int)] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)]

package struct ByteSize: Equatable, Sendable {
    package let bytes: Int

    package init(bytes: Int) { self.bytes = bytes }

    package init(written text: String) throws(UnitError) {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let suffix = text.dropFirst(digits.count)
        guard let number = Int(digits), let unit = sizeUnits.first(where: { $0.suffix == suffix }) else {
            throw UnitError(description: "a size is a whole number and a unit, such as 512B, 64KiB, 100MiB or 1GiB")
        }
        let (bytes, overflow) = number.multipliedReportingOverflow(by: unit.bytes)
        guard !overflow else { throw UnitError(description: "a size is less than 8388608TiB") }
        self.bytes = bytes
    }

    /// The shortest exact form.
    package var written: String {
        guard bytes != 0, let unit = sizeUnits.first(where: { bytes % $0.bytes == 0 }) else { return "0B" }
        return "\(bytes / unit.bytes)\(unit.suffix)"
    }
}
