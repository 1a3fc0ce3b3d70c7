// What the configuration's tests share: a good file, and loading with the errors as lines.
import Configuration
import Foundation
import Model
import Testing

/// A good file. Its lines are numbered in the tests, so add to it at the end only.
let goodFile = """
    control: run/lbd.sock
    listeners:
      web:
        bind: 127.0.0.1:8080
        pool: web
    pools:
      web:
        idle-timeout: 30m
        health: { check: banner, expect: "220 ", send: "EHLO\\r\\n" }
        backends:
          a: 127.0.0.1:9001
          b: { address: "[::1]:9002", weight: 2, backup: true, wish: drain }
        restart:
          command: [ssh, "{host}", restart, "{backend}"]

    """

func load(_ text: String, folder: String = "/etc/sluice") throws(ConfigurationErrors) -> BalancerConfiguration {
    try load(bytes: Array(text.utf8), folder: folder)
}

func load(bytes: [UInt8], folder: String = "/etc/sluice") throws(ConfigurationErrors) -> BalancerConfiguration {
    try loadConfiguration(bytes: bytes, file: "lb.yaml", folder: folder)
}

/// Every error as the operator sees it; none for a good file.
func errors(_ text: String, folder: String = "/etc/sluice") -> [String] {
    errors(bytes: Array(text.utf8), folder: folder)
}

func errors(bytes: [UInt8], folder: String = "/etc/sluice") -> [String] {
    do throws(ConfigurationErrors) {
        _ = try load(bytes: bytes, folder: folder)
        return []
    } catch {
        return error.errors.map(\.description)
    }
}

/// The good file with one piece of text replaced, which must stand in it once.
func changed(_ old: String, _ new: String) -> String {
    let parts = goodFile.components(separatedBy: old)
    if parts.count != 2 { Issue.record("'\(old)' stands \(parts.count - 1) times in the good file") }
    return parts.joined(separator: new)
}

/// A file of the repository's Config folder.
func configPath(_ name: String) -> URL {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Config/\(name)")
}

/// SplitMix64 (G. Steele, D. Lea, C. Flood 2014): the same seed, the same file.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
