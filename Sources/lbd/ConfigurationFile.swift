// The configuration file on disk: read, checked, and its errors as lines.
import Configuration
import Model
import SystemCalls

struct ConfigurationFile: Sendable {
    /// As given on the command line: so its errors name it.
    let path: String
    /// Absolute; relative paths in the file start here.
    private let folder: String

    /// More is no configuration of ours: some ten thousand backends take 1 MiB.
    private static let bytesMax = 16 * 1024 * 1024

    init(path: String) throws(SystemError) {
        self.path = path
        folder = Files.folder(of: Files.resolve(path, in: try Files.workingFolder()))
    }

    /// Every error as a line of text.
    struct Unusable: Error {
        let lines: [String]
    }

    func load() throws(Unusable) -> BalancerConfiguration {
        let bytes: [UInt8]
        do throws(SystemError) { bytes = try Files.read(path, bytesMax: ConfigurationFile.bytesMax) } catch {
            throw Unusable(lines: ["\(path): the file cannot be read: \(SystemError.words(for: error.errorNumber))"])
        }
        do throws(ConfigurationErrors) {
            return try loadConfiguration(bytes: bytes, file: path, folder: folder)
        } catch {
            throw Unusable(lines: error.errors.map(\.description))
        }
    }

    /// Empty when the file is well.
    func errors() -> [String] {
        do throws(Unusable) {
            _ = try load()
            return []
        } catch {
            return error.lines
        }
    }
}
