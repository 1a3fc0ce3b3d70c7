// Words of the command line as values, each error saying what would be right.
import ArgumentParser
import ControlProtocol
import Model
import Rollout

enum Word {
    static func duration(_ text: String) throws -> Duration {
        do { return try Duration(written: text) } catch { throw ValidationError("'\(text)': \(error)") }
    }

    static func backend(_ text: String) throws -> BackendReference {
        do { return try BackendReference(text) } catch { throw ValidationError(error.description) }
    }

    /// `POOL/BACKEND=PERCENT`
    static func share(_ text: String) throws -> ShareOrder.Share {
        do { return try ShareOrder.Share(written: text) } catch { throw ValidationError(error.description) }
    }

    static func pool(_ text: String) throws -> PoolName {
        do { return try PoolName(text) } catch { throw ValidationError("'\(text)' is no pool: \(error)") }
    }

    static func listener(_ text: String) throws -> ListenerName {
        do { return try ListenerName(text) } catch { throw ValidationError("'\(text)' is no listener: \(error)") }
    }

    /// `KEY=VALUE`; what they mean, the balancer knows.
    static func setting(_ text: String) throws -> Setting {
        guard let equals = text.firstIndex(of: "="), equals > text.startIndex else {
            throw ValidationError("'\(text.escapedForOneLine)': write KEY=VALUE, or KEY= for the default")
        }
        guard !text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) else {
            throw ValidationError("'\(text.escapedForOneLine)' holds a control character; write it as an escape in double quotes, such as \"\\r\\n\"")
        }
        return Setting(key: String(text[..<equals]), value: String(text[text.index(after: equals)...]))
    }

    static func scope(_ text: String) throws -> StatusScope {
        text.contains("/") ? .backend(try backend(text)) : .pool(try pool(text))
    }

    /// Free text that ends up in logs and status lines; the balancer takes 1 to 200 bytes.
    static func text(_ text: String) throws -> String {
        guard (1...200).contains(text.utf8.count), !text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) else {
            throw ValidationError("1 to 200 bytes of text without control characters")
        }
        return text
    }

    /// Split as a shell would, but never run through one.
    static func command(_ text: String) throws -> CommandTemplate {
        do { return try CommandTemplate(try RequestLine.words(Array(text.utf8))) } catch {
            throw ValidationError("the restart command: \(error)")
        }
    }
}
