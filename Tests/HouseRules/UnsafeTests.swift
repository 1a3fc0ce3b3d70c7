// Unsafe pointers live in few files, each of which says why it is right. Fault: memory freed while C still knows it.
import Testing

struct UnsafeTests {
    /// Whole modules whose duty is the kernel's or shared memory.
    private static let modules = ["SystemCalls", "Statistics"]
    private static let files = [
        "Proxy/Connection", "Proxy/Worker", "Proxy/Accept", "Proxy/Mailbox", "Proxy/Direction", "Proxy/Pipes", "Proxy/Routing", "Proxy/Room", "Proxy/FlatMemory",
        "Proxy/Arrivals", "Proxy/SourceCounts", "Proxy/SourceRates", "Proxy/Stripes", "Proxy/HeldBack", "Proxy/Access",
        "EventLoop/Loop", "EventLoop/Background", "EventLoop/Wait", "EventLoop/ControlPlane", "EventLoop/AsyncSocket", "EventLoop/HTTPServer", "EventLoop/SharedBytes",
        "Configuration/YamlNode",
    ]
    /// What these two may do and no more: lend a buffer to one call; one cast after a check.
    private static let only = [
        "EventLoop/AsyncSocket": ["withUnsafeBytes", "unsafeUninitializedCapacity"],
        "EventLoop/ControlPlane": ["unsafeBitCast"],
    ]
    private static let words = [
        "UnsafePointer", "UnsafeMutablePointer", "UnsafeRawPointer", "UnsafeMutableRawPointer", "UnsafeBufferPointer",
        "UnsafeMutableBufferPointer", "UnsafeRawBufferPointer", "UnsafeMutableRawBufferPointer", "Unmanaged", "withUnsafe",
        "unsafeBitCast", "unsafeUninitializedCapacity", "OpaquePointer", "assumingMemoryBound", "withMemoryRebound",
    ]

    private func isAllowed(_ file: SwiftFile) -> Bool {
        UnsafeTests.modules.contains(file.target) || UnsafeTests.files.contains(file.name)
    }

    @Test func onlyInTheFilesForIt() throws {
        for file in try Tree.swiftFiles(in: "Sources") {
            for word in UnsafeTests.words {
                for place in file.places(of: word) where !isAllowed(file) {
                    Issue.record("\(place): \(word) stays in \(UnsafeTests.files.joined(separator: ", ")), SystemCalls and Statistics")
                }
            }
        }
    }

    @Test func someMayDoOneThingOnly() throws {
        for file in try Tree.swiftFiles(in: "Sources") {
            guard let allowed = UnsafeTests.only[file.name] else { continue }
            for word in UnsafeTests.words where !allowed.contains(where: { $0.hasPrefix(word) }) {
                for place in file.places(of: word) { Issue.record("\(place): only \(allowed.joined(separator: " and ")) here") }
            }
        }
    }

    @Test func eachSaysItsInvariant() throws {
        for file in try Tree.swiftFiles(in: "Sources") where UnsafeTests.words.contains(where: { !file.places(of: $0).isEmpty }) {
            let comments = file.comments.lowercased()
            if !comments.contains("invariant") && !comments.contains("owned") {
                Issue.record("\(file.path) holds unsafe pointers: say in a comment its 'Invariant', or by whom they are 'owned'")
            }
        }
    }

    @Test func theListHoldsNoFileThatIsGone() {
        for name in UnsafeTests.files { #expect(Tree.exists("Sources/\(name).swift"), "\(name) is in the list, not in the tree") }
    }
}
