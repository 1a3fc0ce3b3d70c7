// Property: whatever a file holds, loading ends, in a configuration or in errors within the file.
import Configuration
import Foundation
import Testing

/// One of several kinds of damage, as editors, disks and people do it.
private func damaged(_ bytes: [UInt8], with random: inout SeededGenerator) -> [UInt8] {
    var result = bytes
    for _ in 0..<Int.random(in: 1...3, using: &random) where !result.isEmpty {
        let start = Int.random(in: 0..<result.count, using: &random)
        let end = min(result.count, start + Int.random(in: 1...40, using: &random))
        switch Int.random(in: 0..<7, using: &random) {
        case 0: result[start] ^= 1 << UInt8.random(in: 0...7, using: &random)
        case 1: result[start] = UInt8.random(in: 0...255, using: &random)
        case 2: result.removeSubrange(start..<end)
        case 3: result.removeSubrange(start...)
        case 4: result.insert(contentsOf: result[start..<end], at: Int.random(in: 0...result.count, using: &random))
        case 5:
            var lines = result.split(separator: 0x0A, omittingEmptySubsequences: false)
            let line = lines[Int.random(in: 0..<lines.count, using: &random)]
            lines.insert(line, at: Int.random(in: 0...lines.count, using: &random))
            result = Array(lines.joined(separator: [0x0A]))
        default:
            let syntax = Array("[]{}:,-&*!|>'\"%@`#?~ \n\t".utf8)
            result.insert(syntax[Int.random(in: 0..<syntax.count, using: &random)], at: start)
        }
    }
    return result
}

struct MutationTests {
    /// `SEED=…` replays a run.
    @Test("2,000 damaged files: never a crash, never an error outside the file or without words")
    func mutations() throws {
        let seed = ProcessInfo.processInfo.environment["SEED"].flatMap(UInt64.init) ?? 1
        let files = [Array(goodFile.utf8), Array(referenceYaml().utf8)]
        var accepted = 0
        for round in 0..<2000 {
            var random = SeededGenerator(state: seed &+ UInt64(round))
            let bytes = damaged(files[round % 2], with: &random)
            let lines = bytes.count { $0 == 0x0A } + (bytes.last == 0x0A ? 0 : 1)
            do throws(ConfigurationErrors) {
                _ = try load(bytes: bytes)
                accepted += 1
            } catch {
                #expect(!error.errors.isEmpty, "SEED=\(seed + UInt64(round))")
                for found in error.errors {
                    #expect((1...(lines + 1)).contains(found.line) && found.column >= 1, "SEED=\(seed + UInt64(round)): \(found)")
                    #expect(!found.message.isEmpty && !found.message.contains { $0.isNewline }, "SEED=\(seed + UInt64(round)): \(found)")
                }
            }
        }
        // Both outcomes were seen: damage in comments is harmless, most other is not.
        #expect((1..<2000).contains(accepted))
    }
}
