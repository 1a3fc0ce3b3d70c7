// A backend's JSON, written by hand for speed. Fault: a field that the hand forgot, or wrote otherwise than everywhere else.
import Foundation
import Model
import TestSupport
import Testing

@testable import ControlProtocol

struct BackendJSONTests {
    @Test("the same text as by way of Codable, whatever is known of the backend", arguments: 0..<64)
    func same(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let lease = DrainLease(
            owner: "a \"b\"", reason: "disk\n", since: Timestamp(milliseconds: 1), lease: .seconds(3), deadline: Timestamp(milliseconds: 5),
            atDeadline: .close)
        let backend = BackendReport(
            name: "b-\(seed)", address: ["127.0.0.1:80", "[::1]:9", "/run/a\\\"b é\u{1}"].randomElement(using: &random)!,
            wish: Wish.allCases.randomElement(using: &random)!, probe: [.unknown, .up, .down].randomElement(using: &random)!,
            availability: [.available, .warming, .draining, .maintenance].randomElement(using: &random)!,
            connections: .random(in: 0...9_999, using: &random), connectionsMax: Bool.random(using: &random) ? 7 : nil,
            connectionsTotal: .random(in: 0 ... .max, using: &random), connectFailures: 1, resets: 2, bytesToBackend: .max, bytesToClient: 0,
            weight: 3, share: Bool.random(using: &random) ? 40 : nil, backup: .random(using: &random),
            probeSince: Bool.random(using: &random) ? "1970-01-01T00:00:00.000Z" : nil, probeSequence: 12,
            probedAt: Bool.random(using: &random) ? "1970-01-01T00:00:00.000Z" : nil,
            probeFailure: Bool.random(using: &random) ? "connect: \"refused\"" : nil, drain: Bool.random(using: &random) ? DrainReport(lease) : nil,
            removing: .random(using: &random))
        var bytes = Array("before".utf8)
        JSONText.append(backend, to: &bytes)
        let text = String(decoding: bytes, as: UTF8.self)
        #expect(text == "before" + JSONText.line([backend]).dropFirst().dropLast())
    }

    /// Fault: a field that may be absent is new in the report, and nobody notices that it is never written.
    @Test func everyFieldThatIsKnownIsThere() throws {
        let lease = DrainLease(
            owner: "a", reason: "b", since: Timestamp(milliseconds: 1), lease: .seconds(3), deadline: Timestamp(milliseconds: 5), atDeadline: .close)
        let backend = BackendReport(
            name: "b", address: "a", wish: .drain, probe: .up, availability: .draining, connections: 1, connectionsMax: 2, connectionsTotal: 3,
            connectFailures: 4, resets: 5, bytesToBackend: 6, bytesToClient: 7, weight: 8, share: 9, backup: true, probeSince: "e", probeSequence: 10,
            probedAt: "c", probeFailure: "d", drain: DrainReport(lease), removing: true)
        var bytes: [UInt8] = []
        JSONText.append(backend, to: &bytes)
        let written = try #require(JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
        #expect(written.keys.sorted() == Mirror(reflecting: backend).children.compactMap(\.label).sorted())
    }
}
