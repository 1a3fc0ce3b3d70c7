// What the log says of one connection that has ended, with names in place of numbers.
import Model

struct AccessFields: Encodable, Equatable {
    /// Nil: it was turned away before it became one.
    var id: String?
    let listener: String
    /// Nil: a Unix socket's client, or one of which the kernel knew no longer who it was.
    var client: String?
    var pool: String?
    /// Nil: it reached none.
    var backend: String?
    var bytesToBackend: UInt64 = 0
    var bytesToClient: UInt64 = 0
    /// Seconds since its accept; nil: it never came to that.
    var connect: Double?
    var firstByte: Double?
    var duration: Double?
    let by: Culprit
    let reason: EndReason

    /// `id=0-17 client=10.0.0.1:4711 pool=web …`: what is not known is `-`.
    var text: String {
        let fields = [
            ("id", id), ("client", client), ("pool", pool), ("backend", backend), ("by", by.rawValue), ("reason", reason.rawValue),
            ("to-backend", "\(bytesToBackend)"), ("to-client", "\(bytesToClient)"), ("connect", connect.map(seconds)),
            ("first-byte", firstByte.map(seconds)), ("duration", duration.map(seconds)),
        ]
        return fields.map { "\($0)=\($1 ?? "-")" }.joined(separator: " ")
    }

    /// To the millisecond: `12.034s`.
    private func seconds(_ value: Double) -> String {
        let milliseconds = Int((value * 1000).rounded())
        return "\(milliseconds / 1000).\(String(milliseconds % 1000 + 1000).dropFirst())s"
    }
}
