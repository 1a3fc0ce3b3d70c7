// Why a test could not go on: what was waited for or done, and where in the test.
import Testing

struct HarnessError: Error, CustomStringConvertible {
    let description: String
    /// The line of the test that asked, where it is known.
    let location: SourceLocation?

    init(_ description: String, at location: SourceLocation? = nil) {
        self.description = description
        self.location = location
    }
}
