// A folder for one test, removed with everything in it.
import Foundation

package final class TemporaryFolder: Sendable {
    package let path: String

    /// Short, so that a Unix socket's path in it stays within its bound.
    package init() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("sluice-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        path = folder.path
    }

    package func file(_ name: String) -> String { path + "/" + name }

    deinit {
        do { try FileManager.default.removeItem(atPath: path) } catch { print("\(path) stays: \(error)") }
    }
}
