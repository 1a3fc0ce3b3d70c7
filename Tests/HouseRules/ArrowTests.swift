// Imports against the table. Fault: a module that reaches around the architecture because the compiler lets it (SwiftPM
// 9431, 9620: a missing dependency may be printed and built all the same).
import Testing

struct ArrowTests {
    @Test func everyTargetStandsInTheTable() throws {
        #expect(try Tree.targets() == Arrows.table.map(\.key).sorted())
    }

    @Test func everyImportIsAnArrow() throws {
        for file in try Tree.swiftFiles(in: "Sources") {
            let allowed = (Arrows.imports(of: file.target) ?? []) + Arrows.systemModules(of: file.target)
            for module in file.imports where !allowed.contains(module) {
                Issue.record("\(file.path) imports \(module); \(file.target) may import: \(allowed.joined(separator: ", "))")
            }
        }
    }

    @Test func noImportStandsTwice() throws {
        for file in try Tree.swiftFiles(in: "Sources") where Set(file.imports).count != file.imports.count {
            Issue.record("\(file.path) imports a module twice")
        }
    }

    /// The table itself: pure modules know pure ones only, and nothing goes round in a circle.
    @Test func theTableIsSound() throws {
        for target in Arrows.pure {
            #expect(Arrows.imports(of: target)?.allSatisfy(Arrows.pure.contains) == true, "\(target) is pure")
        }
        func reach(_ target: String, _ path: [String]) {
            if path.contains(target) {
                Issue.record("a circle: \((path + [target]).joined(separator: " -> "))")
                return
            }
            for next in Arrows.imports(of: target) ?? [] { reach(next, path + [target]) }
        }
        for target in try Tree.targets() { reach(target, []) }
    }

    @Test func scannerSeesImports() throws {
        let sample = """
            // import Foundation
            import Model
            @testable import Proxy
            package import Decisions
            import struct Glibc.stat
            let text = "import Foundation"
            """
        let code = CodeScanner.code(of: sample)
        #expect(!code.contains("Foundation") && code.contains("import Model"))
    }
}
