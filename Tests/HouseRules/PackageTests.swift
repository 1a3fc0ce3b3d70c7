// Package.swift and the top level. Faults: a dependency that came in by the way, a folder nobody asked for, a module
// without tests.
import Foundation
import Testing

struct PackageTests {
    @Test func onlyTwoDependencies() throws {
        let package = try Tree.read("Package.swift")
        let urls = package.split(separator: "\n").filter { $0.contains(".package(") }
        #expect(urls.count == 2)
        #expect(urls.allSatisfy { $0.contains("apple/swift-argument-parser") || $0.contains("apple/swift-log") })
    }

    @Test func settings() throws {
        let package = try Tree.read("Package.swift")
        #expect(package.contains("NonisolatedNonsendingByDefault"), "else a nonisolated async helper starts the global pool")
        #expect(package.contains("treatAllWarnings(as: .error)"))
        #expect(package.contains("swiftLanguageModes: [.v6]"))
        #expect(!package.contains("unsafeFlags"), "a package with unsafe flags cannot be depended upon")
    }

    @Test func dependenciesAgreeWithTheArrows() throws {
        let package = try Tree.read("Package.swift")
        for (target, imports) in Arrows.table {
            guard !target.hasPrefix("C") || target.hasPrefix("Co") else {
                #expect(package.contains(".systemLibrary(name: \"\(target)\""))
                continue
            }
            let declared = try #require(dependencies(of: target, in: package), "Package.swift has no module or program '\(target)'")
            #expect(declared.sorted() == imports.sorted(), "\(target): Package.swift and the arrow table differ")
        }
    }

    @Test func topLevel() throws {
        let allowed = ["Package.swift", "Sources", "Tests", "Config", "Benchmarks", "README.md"]
        // What builds and runs leave behind is not part of the tree (.gitignore).
        let others = try Tree.entries(of: "").filter { !$0.hasPrefix(".") && !allowed.contains($0) && !["Package.resolved", "run"].contains($0) }
        #expect(others == [], "scripts lie where their subject is, guides are README, lints are tests")
    }

    /// Modules whose logic others' tests reach: wiring (end to end), and the client (Orchestrator's scripted balancer).
    private static let testedByOthers = ["ControlClient", "lbd"]

    @Test func everyModuleHasItsTests() throws {
        let tests = try Tree.entries(of: "Tests").map { $0.lowercased() }
        for target in try Tree.targets() where try !Tree.swiftFiles(in: "Sources/\(target)").isEmpty {
            let has = tests.contains("\(target.lowercased())tests")
            #expect(has || PackageTests.testedByOthers.contains(target), "Tests/\(target)Tests is missing")
        }
        let package = try Tree.read("Package.swift")
        for folder in try Tree.entries(of: "Tests") where try !Tree.swiftFiles(in: "Tests/\(folder)").isEmpty {
            #expect(package.contains("\"\(folder)\""), "Tests/\(folder) is never run: Package.swift does not name it")
        }
    }

    /// The names in quotes of `module("Target", ["A", "B", other])`.
    private func dependencies(of target: String, in package: String) -> [String]? {
        for kind in ["module", "program"] {
            guard let start = package.range(of: "\(kind)(\"\(target)\", [") else { continue }
            let list = package[start.upperBound...].prefix { $0 != "]" }
            return list.split(separator: "\"", omittingEmptySubsequences: false).enumerated().filter { $0.offset % 2 == 1 }.map { String($0.element) }
        }
        return nil
    }
}
