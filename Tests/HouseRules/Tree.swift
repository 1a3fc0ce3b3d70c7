// The repository as text: its files, and Swift without what is not code.
import Foundation

enum Tree {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: root.appendingPathComponent(path).path) }

    static func read(_ path: String) throws -> String {
        try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
    }

    /// Names in a folder, sorted.
    static func entries(of folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: root.appendingPathComponent(folder).path).sorted()
    }

    /// Every module and program: the folders of Sources.
    static func targets() throws -> [String] { try entries(of: "Sources") }

    /// Swift files below a folder, read and scanned once.
    static func swiftFiles(in folder: String) throws -> [SwiftFile] {
        try (folder.hasPrefix("Sources") ? sources.get() : tests.get()).filter { $0.path.hasPrefix(folder + "/") }
    }

    private static let sources = Result { try scan("Sources") }
    private static let tests = Result { try scan("Tests") }

    private static func scan(_ folder: String) throws -> [SwiftFile] {
        guard let paths = FileManager.default.enumerator(atPath: root.appendingPathComponent(folder).path) else { return [] }
        return try paths.compactMap { $0 as? String }.filter { $0.hasSuffix(".swift") }.sorted().map { try SwiftFile("\(folder)/\($0)") }
    }
}

struct SwiftFile: Sendable {
    /// From the root: `Sources/Proxy/Accept.swift`.
    let path: String
    let text: String
    /// The text with comments and strings blanked, line by line as in the file.
    let code: [String]
    private let codeBytes: [UInt8]

    init(_ path: String) throws {
        self.path = path
        text = try Tree.read(path)
        let code = CodeScanner.code(of: text)
        self.code = code.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        codeBytes = Array(code.utf8)
    }

    /// `Proxy` of `Sources/Proxy/Accept.swift`.
    var target: String { String(path.split(separator: "/")[1]) }
    /// `Proxy/Accept` of `Sources/Proxy/Accept.swift`.
    var name: String { String(path.dropFirst("Sources/".count).dropLast(".swift".count)) }
    /// Everything that the code does not hold.
    var comments: String {
        zip(text.split(separator: "\n", omittingEmptySubsequences: false), code).filter { $0.0.contains("//") }.map { String($0.0) }
            .joined(separator: "\n")
    }

    /// Modules that the file imports, `@testable` and single symbols included.
    var imports: [String] {
        code.compactMap { line in
            let words = line.split(separator: " ").map(String.init)
            guard let index = words.firstIndex(of: "import"), words[..<index].allSatisfy({ $0.hasPrefix("@") || accessWords.contains($0) })
            else { return nil }
            let rest = words[(index + 1)...].drop { kindWords.contains($0) }
            return rest.first.map { String($0.prefix { $0 != "." }) }
        }
    }

    /// Where a piece of code stands, as `path:line`.
    func places(of piece: String, isWhole: Bool = false) -> [String] {
        codeBytes.offsets(of: piece, isWhole: isWhole).map { offset in
            "\(path):\(codeBytes[..<offset].count { $0 == 0x0A } + 1)"
        }
    }
}

private let accessWords = ["package", "public", "internal", "private", "fileprivate"]
private let kindWords = ["struct", "class", "enum", "func", "protocol", "typealias", "let", "var"]

extension [UInt8] {
    /// Where a piece of text begins. `isWhole`: not as the end of a longer word or of a member's name.
    func offsets(of piece: String, isWhole: Bool) -> [Int] {
        let wanted = Array(piece.utf8)
        var offsets: [Int] = []
        var start = 0
        while start < count, let offset = firstOffset(of: wanted, from: start) {
            if !isWhole || offset == 0 || !self[offset - 1].isWordPart { offsets.append(offset) }
            start = offset + 1
        }
        return offsets
    }

    private func firstOffset(of wanted: [UInt8], from start: Int) -> Int? {
        withUnsafeBytes { bytes in
            let base = bytes.baseAddress!
            var offset = start
            while offset + wanted.count <= bytes.count {
                guard let found = memchr(base + offset, Int32(wanted[0]), bytes.count - offset) else { return nil }
                offset = UnsafeRawPointer(found) - base
                if offset + wanted.count <= bytes.count, memcmp(found, wanted, wanted.count) == 0 { return offset }
                offset += 1
            }
            return nil
        }
    }
}

extension UInt8 {
    fileprivate var isWordPart: Bool {
        switch self {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "_"), UInt8(ascii: "."): true
        default: false
        }
    }
}

extension String {
    func holds(_ piece: String, isWhole: Bool) -> Bool { !Array(utf8).offsets(of: piece, isWhole: isWhole).isEmpty }
}
