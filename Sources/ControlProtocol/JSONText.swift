// Values as JSON text, keys in the order in which the value names them. Written as it goes: Foundation's encoder builds
// a tree first, which for the status of a thousand backends costs more than everything else about it.

package enum JSONText {
    package static func line(_ value: some Encodable) -> String {
        var bytes: [UInt8] = []
        append(value, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    package static func append(_ value: some Encodable, to bytes: inout [UInt8]) {
        let writer = JSONWriter()
        writer.exchange(&bytes)
        do { try writer.write(value) } catch { preconditionFailure("our own records are encodable: \(error)") }
        writer.exchange(&bytes)
    }

    /// The text before and after the elements of an array that is empty in `value`: for those who write them one by one.
    package static func around(array key: String, of value: some Encodable) -> (head: [UInt8], tail: [UInt8]) {
        var bytes: [UInt8] = []
        append(value, to: &bytes)
        // Not within a text: a quote there has a backslash before it.
        let mark = Array("\"\(key)\":[]".utf8)
        guard let start = bytes.indices.first(where: { bytes[$0] == mark[0] && bytes[$0...].starts(with: mark) }) else {
            preconditionFailure("there is an empty array '\(key)'")
        }
        let middle = start + mark.count - 1
        return (Array(bytes[..<middle]), Array(bytes[middle...]))
    }
}

/// One value while it is written. A class because a value's containers all write on in the same text.
private final class JSONWriter {
    private var text = JSONState()

    /// Never a second owner of the bytes, who would have them copied.
    func exchange(_ bytes: inout [UInt8]) { swap(&bytes, &text.bytes) }

    /// A value from its first byte to its last.
    func write(_ value: some Encodable) throws {
        let outside = text.beginValue()
        try value.encode(to: JSONValue(writer: self))
        text.endValue(outside)
    }

    func beginObject() { text.beginObject() }
    func beginArray() { text.beginArray() }
    func beginElement() { text.beginElement() }
    func beginField(_ key: some CodingKey) { text.beginField(key.stringValue) }
    func append(literal: StaticString) { text.append(literal) }
    func append(_ string: String) { text.append(string) }
    func append(_ number: some FixedWidthInteger) { text.append(number) }
    func append(_ number: Double) { text.append(number) }

    // The most frequent ones at once: every call is checked for exclusive access.
    func field(_ key: some CodingKey, _ value: String) { text.field(key.stringValue, value) }
    func field(_ key: some CodingKey, _ value: Int) { text.field(key.stringValue, value) }
    func field(_ key: some CodingKey, _ value: UInt64) { text.field(key.stringValue, value) }
}

/// Text so far, and what the next value in it needs before it.
struct JSONState {
    var bytes: [UInt8] = []
    private var scope = Scope.value

    /// What the value in hand has turned out to be.
    enum Scope {
        /// Nothing of it is written yet, or it was a single one.
        case value
        case object(isEmpty: Bool)
        case array(isEmpty: Bool)
    }

    /// The scope to give back to `endValue`.
    mutating func beginValue() -> Scope {
        defer { scope = .value }
        return scope
    }

    mutating func endValue(_ outside: Scope) {
        switch scope {
        case .value: break
        case .object: bytes.append(UInt8(ascii: "}"))
        case .array: bytes.append(UInt8(ascii: "]"))
        }
        scope = outside
    }

    /// A second container of one value adds to the same object.
    mutating func beginObject() {
        guard case .value = scope else { return }
        bytes.append(UInt8(ascii: "{"))
        scope = .object(isEmpty: true)
    }

    mutating func beginArray() {
        guard case .value = scope else { return }
        bytes.append(UInt8(ascii: "["))
        scope = .array(isEmpty: true)
    }

    mutating func beginElement() {
        if case .array(isEmpty: false) = scope { bytes.append(UInt8(ascii: ",")) }
        scope = .array(isEmpty: false)
    }

    mutating func beginField(_ key: String) {
        if case .object(isEmpty: false) = scope { bytes.append(UInt8(ascii: ",")) }
        scope = .object(isEmpty: false)
        append(key)
        bytes.append(UInt8(ascii: ":"))
    }

    mutating func field(_ key: String, _ value: String) {
        beginField(key)
        append(value)
    }

    mutating func field(_ key: String, _ value: some FixedWidthInteger) {
        beginField(key)
        append(value)
    }

    mutating func append(_ literal: StaticString) { literal.withUTF8Buffer { bytes.append(contentsOf: $0) } }

    mutating func append(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        let start = bytes.count
        var isPlain = true
        let isAtOnce: Void? = text.utf8.withContiguousStorageIfAvailable {
            bytes.append(contentsOf: $0)
            isPlain = $0.allSatisfy(JSONState.isPlain)
        }
        if isAtOnce == nil {
            bytes.append(contentsOf: text.utf8)
            isPlain = bytes[start...].allSatisfy(JSONState.isPlain)
        }
        if !isPlain { escape(from: start) }
        bytes.append(UInt8(ascii: "\""))
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        byte >= 0x20 && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
    }

    /// Few texts need it.
    private mutating func escape(from start: Int) {
        let rest = bytes[start...]
        bytes.removeSubrange(start...)
        for byte in rest { appendEscaped(byte) }
    }

    private mutating func appendEscaped(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""): append("\\\"" as StaticString)
        case UInt8(ascii: "\\"): append("\\\\" as StaticString)
        case 0x0A: append("\\n" as StaticString)
        case 0x0D: append("\\r" as StaticString)
        case 0x09: append("\\t" as StaticString)
        case 0..<0x20:
            append("\\u00" as StaticString)
            for digit in [byte >> 4, byte & 0xF] { bytes.append(digit < 10 ? 0x30 + digit : 0x61 + digit - 10) }
        default: bytes.append(byte)
        }
    }

    mutating func append(_ number: some FixedWidthInteger) {
        if number < 0 { bytes.append(UInt8(ascii: "-")) }
        var rest = UInt64(number.magnitude)
        let start = bytes.count
        repeat {
            bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10))
            rest /= 10
        } while rest > 0
        bytes[start...].reverse()
    }

    /// Whole numbers without a fraction. JSON has neither infinity nor NaN: those are `null`.
    mutating func append(_ number: Double) {
        guard number.isFinite else { return append("null" as StaticString) }
        if number == number.rounded(), abs(number) < 1e15 { append(Int64(number)) } else { bytes.append(contentsOf: number.description.utf8) }
    }
}

/// One value: all that can be written in its place.
private struct JSONValue: Encoder, SingleValueEncodingContainer {
    let writer: JSONWriter
    var codingPath: [any CodingKey] { [] }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        writer.beginObject()
        return KeyedEncodingContainer(JSONObject<Key>(writer: writer))
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer {
        writer.beginArray()
        return JSONArray(writer: writer)
    }

    func singleValueContainer() -> any SingleValueEncodingContainer { self }

    func encodeNil() { writer.append(literal: "null") }
    func encode(_ value: Bool) { writer.append(literal: value ? "true" : "false") }
    func encode(_ value: String) { writer.append(value) }
    func encode(_ value: Double) { writer.append(value) }
    func encode(_ value: Float) { writer.append(Double(value)) }
    func encode(_ value: Int) { writer.append(value) }
    func encode(_ value: Int8) { writer.append(value) }
    func encode(_ value: Int16) { writer.append(value) }
    func encode(_ value: Int32) { writer.append(value) }
    func encode(_ value: Int64) { writer.append(value) }
    func encode(_ value: UInt) { writer.append(value) }
    func encode(_ value: UInt8) { writer.append(value) }
    func encode(_ value: UInt16) { writer.append(value) }
    func encode(_ value: UInt32) { writer.append(value) }
    func encode(_ value: UInt64) { writer.append(value) }
    func encode(_ value: some Encodable) throws { try writer.write(value) }
}

private struct JSONObject<Key: CodingKey>: KeyedEncodingContainerProtocol {
    let writer: JSONWriter
    var codingPath: [any CodingKey] { [] }

    func encodeNil(forKey key: Key) {
        writer.beginField(key)
        writer.append(literal: "null")
    }

    func encode(_ value: String, forKey key: Key) { writer.field(key, value) }
    func encode(_ value: Int, forKey key: Key) { writer.field(key, value) }
    func encode(_ value: UInt64, forKey key: Key) { writer.field(key, value) }
    func encode(_ value: some Encodable, forKey key: Key) throws {
        writer.beginField(key)
        try writer.write(value)
    }

    func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type, forKey key: Key) -> KeyedEncodingContainer<Nested> { nested() }
    func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer { nested() }
    func superEncoder() -> any Encoder { nested() }
    func superEncoder(forKey key: Key) -> any Encoder { nested() }
}

private struct JSONArray: UnkeyedEncodingContainer {
    let writer: JSONWriter
    private(set) var count = 0
    var codingPath: [any CodingKey] { [] }

    init(writer: JSONWriter) { self.writer = writer }

    mutating func encodeNil() {
        writer.beginElement()
        writer.append(literal: "null")
        count += 1
    }

    mutating func encode(_ value: some Encodable) throws {
        writer.beginElement()
        try writer.write(value)
        count += 1
    }

    func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) -> KeyedEncodingContainer<Nested> { nested() }
    func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { nested() }
    func superEncoder() -> any Encoder { nested() }
}

/// Where one of these ends cannot be seen while writing on; a value of its own says it.
private func nested() -> Never { preconditionFailure("our records nest by values, not by containers") }
