// A client of lbd's own HTTP pages, as plain as can be: what is sent is what the test says.
import Foundation
import Model
import Testing

struct AdminAnswer: CustomStringConvertible {
    let status: Int
    /// Names in lower case.
    let headers: [String: String]
    let body: String
    let text: String

    var description: String { text }

    /// Nil: no whole answer.
    init?(_ bytes: [UInt8]) {
        text = String(decoding: bytes, as: UTF8.self)
        guard let end = text.firstRange(of: "\r\n\r\n") else { return nil }
        let lines = text[..<end.lowerBound].split(separator: "\r\n")
        guard let first = lines.first, let status = Int(first.split(separator: " ").dropFirst().first ?? "") else { return nil }
        self.status = status
        headers = Dictionary(lines.dropFirst().map { line in
            (line.prefix { $0 != ":" }.lowercased(), String(line.drop { $0 != ":" }.dropFirst().trimmingPrefix(" ")))
        }, uniquingKeysWith: { $0 + ", " + $1 })
        body = String(text[end.upperBound...])
    }
}

extension Balancer {
    /// Where its admin pages are, as its log says; the last such line.
    func admin() throws -> Endpoint {
        try eventually(within: .seconds(10), "an admin address in the log") {
            let words = program.errors.components(separatedBy: " at http://")
            guard words.count > 1, let address = words.last?.prefix(while: { $0 != "/" }) else { return nil }
            return try Endpoint(String(address))
        }
    }

    func get(_ path: String, _ headers: [String] = ["Host: 127.0.0.1"], method: String = "GET") throws -> AdminAnswer {
        try ask("\(method) \(path) HTTP/1.1\r\n" + headers.map { $0 + "\r\n" }.joined() + "\r\n")
    }

    func ask(_ request: String) throws -> AdminAnswer {
        let peer = try Peer(connecting: admin())
        defer { peer.close() }
        try peer.send(request)
        let (bytes, _) = try peer.toEnd()
        guard let answer = AdminAnswer(bytes) else { throw HarnessError("no answer to \(request): \(String(decoding: bytes, as: UTF8.self))") }
        return answer
    }
}
