// Numbers and texts at their places in an entry of the segment, little-endian.

package struct EntryBytes: Equatable {
    package private(set) var bytes: [UInt8]
    /// The entry begins there.
    private let start: Int

    init(count: Int) { (bytes, start) = ([UInt8](repeating: 0, count: count), 0) }
    init(_ bytes: [UInt8], from start: Int = 0) { (self.bytes, self.start) = (bytes, start) }

    mutating func put<Number: FixedWidthInteger & UnsignedInteger>(_ number: Number, at place: Int) {
        for index in 0..<Number.bitWidth / 8 { bytes[start + place + index] = UInt8(truncatingIfNeeded: number >> Number(8 * index)) }
    }

    mutating func put(_ number: Int64, at place: Int) { put(UInt64(bitPattern: number), at: place) }

    /// Its length in the byte at `place`, then as much of it as the room holds, whole characters only.
    mutating func put(_ text: String, at place: Int, bytesMax: Int) {
        var kept: [UInt8] = []
        for character in text {
            guard kept.count + character.utf8.count <= min(bytesMax, 255) else { break }
            kept += character.utf8
        }
        bytes[start + place] = UInt8(kept.count)
        for (index, byte) in kept.enumerated() { bytes[start + place + 1 + index] = byte }
    }

    // What is read was written by somebody: every place is within the entry, whatever it says.

    func number<Number: FixedWidthInteger & UnsignedInteger>(at place: Int, as type: Number.Type = Number.self) -> Number {
        var number: UInt64 = 0
        for index in (0..<Number.bitWidth / 8).reversed() { number = number << 8 | UInt64(bytes[start + place + index]) }
        return Number(truncatingIfNeeded: number)
    }

    func byte(at place: Int) -> UInt8 { bytes[start + place] }
    /// Never negative. Bounded, as all that follows, so that no sum or difference of what is read overflows.
    func nanoseconds(at place: Int) -> Int64 { min(1 << 61, max(0, Int64(bitPattern: number(at: place)))) }
    /// Of the calendar: until 2248.
    func milliseconds(at place: Int) -> Int64 { min(1 << 43, max(0, Int64(bitPattern: number(at: place)))) }
    func double(at place: Int) -> Double {
        let number = Double(bitPattern: number(at: place))
        return number.isFinite ? min(1e15, max(0, number)) : 0
    }
    /// Of things that there are: a number that none can be is none.
    func count(at place: Int) -> Int { min(1 << 48, max(0, Int(truncatingIfNeeded: number(at: place, as: UInt64.self)))) }

    func text(at place: Int, bytesMax: Int) -> String {
        String(decoding: bytes[start + place + 1..<start + place + 1 + min(Int(byte(at: place)), bytesMax)], as: UTF8.self)
    }
}
