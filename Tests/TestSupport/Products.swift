// Where this package's own programs are: beside the tests.
import Foundation
import Glibc

package enum Products {
    package static func path(_ name: String) throws -> String {
        let folder = ProcessInfo.processInfo.environment["SLUICE_PRODUCTS"]
            ?? URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent().path
        let path = folder + "/" + name
        guard access(path, X_OK) == 0 else { throw MissingProduct(path: path) }
        return path
    }
}

package struct MissingProduct: Error, CustomStringConvertible {
    package let path: String
    package var description: String { "\(path) is not there: run 'swift build' first" }
}
