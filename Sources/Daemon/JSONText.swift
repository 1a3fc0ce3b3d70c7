// Values as JSON text, keys sorted so that two answers can be compared.
import FoundationEssentials

enum JSONText {
    static func line(_ value: some Encodable) -> String { String(decoding: bytes(value, pretty: false), as: UTF8.self) }

    static func bytes(_ value: some Encodable, pretty: Bool) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = pretty ? [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted] : [.sortedKeys, .withoutEscapingSlashes]
        do { return Array(try encoder.encode(value)) } catch {
            preconditionFailure("our own reports are encodable: \(error)")
        }
    }
}
