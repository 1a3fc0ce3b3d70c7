// Words of the command line as values, each error saying what would be right.
import ArgumentParser
import Model

enum Argument {
    static func backendName(_ text: String) throws -> BackendName {
        do { return try BackendName(text) } catch { throw ValidationError(error.description) }
    }

    static func endpoint(_ text: String) throws -> Endpoint {
        do { return try Endpoint(text) } catch { throw ValidationError(error.description) }
    }

    static func endpoints(_ text: String) throws -> [Endpoint] {
        try text.split(separator: ",").map { try endpoint(String($0)) }
    }

    static func duration(_ text: String) throws -> Duration {
        do { return try Duration(written: text) } catch { throw ValidationError(error.description) }
    }

    static let countMax = 10_000

    static func count(_ text: String) throws -> Int {
        guard let count = Int(text), (0...countMax).contains(count) else {
            throw ValidationError("a whole number from 0 to \(countMax)")
        }
        return count
    }
}
