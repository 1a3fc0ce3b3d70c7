// JSON as text, judged by Foundation's reader. Fault: a control character or a quote that ends the text early, and a
// monitoring script that chokes on it in the night of the outage.
import Foundation
import TestSupport
import Testing

@testable import ControlProtocol
import Model

struct JSONTextTests {
    private struct Sample: Codable, Equatable {
        var text: String
        var whole: Int
        var counter: UInt64
        var small: Int32
        var share: Double
        var isSo: Bool
        var state: Wish
        var absent: String?
        var list: [String]
        var nested: [Inner]
        var named: [String: Int]
    }

    private struct Inner: Codable, Equatable {
        var name: String
        var values: [[Int]]
    }

    /// Every kind of scalar: controls, quotes, the two that JavaScript takes for line ends, beyond the basic plane.
    private static let scalars = Array("\u{0}\u{1}\u{8}\t\n\u{B}\r\u{1F} !\"/\\az~\u{7F}\u{80}\u{85}é\u{2028}\u{2029}中😀👩‍👩‍👧".unicodeScalars)

    private static func text(_ random: inout SeededGenerator) -> String {
        var text = String.UnicodeScalarView()
        for _ in 0..<Int.random(in: 0...12, using: &random) { text.append(scalars.randomElement(using: &random)!) }
        return String(text)
    }

    private static func double(_ random: inout SeededGenerator) -> Double {
        [0, -0.5, 0.1, 1, 2.5, 1e15, 1e-7, 123_456.789, 1e300, -3e-300].randomElement(using: &random)!
    }

    private static func sample(_ random: inout SeededGenerator) -> Sample {
        Sample(
            text: text(&random), whole: [0, 1, -1, 42, .max, .min].randomElement(using: &random)!,
            counter: [0, 9, 10, .max].randomElement(using: &random)!, small: .random(in: .min ... .max, using: &random),
            share: double(&random), isSo: .random(using: &random), state: Wish.allCases.randomElement(using: &random)!,
            absent: Bool.random(using: &random) ? text(&random) : nil,
            list: (0..<Int.random(in: 0...3, using: &random)).map { _ in text(&random) },
            nested: (0..<Int.random(in: 0...2, using: &random)).map { _ in
                Inner(name: text(&random), values: (0..<Int.random(in: 0...2, using: &random)).map { Array(0..<$0) })
            },
            named: Dictionary((0..<Int.random(in: 0...3, using: &random)).map { (text(&random), $0) }) { first, _ in first })
    }

    @Test("whatever is written, Foundation reads back the same", arguments: 0..<200)
    func readsBack(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let sample = JSONTextTests.sample(&random)
        let line = JSONText.line(sample)
        #expect(try JSONDecoder().decode(Sample.self, from: Data(line.utf8)) == sample, "\(line)")
        #expect(!line.utf8.contains { $0 < 0x20 }, "a control character in a line: \(line.debugDescription)")
        let ours = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? NSDictionary)
        let theirs = try #require(try JSONSerialization.jsonObject(with: JSONEncoder().encode(sample)) as? NSDictionary)
        #expect(ours == theirs, "\(line)")
    }

    @Test("keys stand in the order of their declaration, whole numbers without a fraction")
    func order() {
        let drain = DrainReport(DrainLease(owner: "a \"b\"", reason: nil, since: Timestamp(milliseconds: 0), lease: .milliseconds(1500)))
        #expect(JSONText.line(drain) == #"{"owner":"a \"b\"","since":"1970-01-01T00:00:00.000Z","lease":1.5}"#)
        #expect(JSONText.line([2.0, 0.25]) == "[2,0.25]")
        #expect(JSONText.line([String]()) == "[]")
    }

    @Test("JSON has no infinity: a figure that cannot be had is null, and nothing traps")
    func noNumber() { #expect(JSONText.line([Double.infinity, .nan, 1]) == "[null,null,1]") }

    @Test("two values in one object, as an answer that names its balancer")
    func merged() {
        struct Named: Encodable {
            enum Key: CodingKey { case control }
            let content: ProbeRecord
            func encode(to encoder: any Encoder) throws {
                var keys = encoder.container(keyedBy: Key.self)
                try keys.encode("run/lbd.sock", forKey: .control)
                try content.encode(to: encoder)
            }
        }
        let record = ProbeRecord(backend: "web/a", probe: .up, probeSequence: 3, failure: nil)
        #expect(JSONText.line(Named(content: record)) == #"{"control":"run/lbd.sock","backend":"web/a","probe":"up","probeSequence":3}"#)
    }

    @Test("an array's elements may be written later, wherever it stands, and whatever a text before it says")
    func around() {
        struct Outline: Encodable {
            var reason = #""values":[]"#
            var values: [Int] = []
            var after = [Int]()
        }
        let (head, tail) = JSONText.around(array: "values", of: Outline())
        #expect(String(decoding: head + [0x31] + tail, as: UTF8.self) == #"{"reason":"\"values\":[]","values":[1],"after":[]}"#)
    }
}
