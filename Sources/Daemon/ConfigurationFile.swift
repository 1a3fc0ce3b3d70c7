// The configuration file on disk: read, checked, and its errors as lines.
import Configuration
import Model
import SystemCalls

package struct ConfigurationFile: Sendable {
    /// As given on the command line: so its errors name it.
    package let path: String
    let absolutePath: String
    /// Absolute; relative paths in the file start here.
    let folder: String

    /// More is no configuration of ours: some ten thousand backends take 1 MiB.
    static let bytesMax = 16 * 1024 * 1024

    package init(path: String) throws(SystemError) {
        self.path = path
        absolutePath = Files.resolve(path, in: try Files.workingFolder())
        folder = Files.folder(of: absolutePath)
    }

    /// Every error as a line of text.
    package struct Unusable: Error {
        package let lines: [String]
    }

    package struct Content: Sendable {
        let bytes: [UInt8]
        package let loaded: LoadedConfiguration
    }

    package func load() throws(Unusable) -> Content {
        let bytes: [UInt8]
        do throws(SystemError) { bytes = try read() } catch {
            throw Unusable(lines: ["\(path): the file cannot be read: \(SystemError.words(for: error.errorNumber))"])
        }
        do throws(ConfigurationErrors) {
            return Content(bytes: bytes, loaded: try loadDocument(bytes: bytes, file: path, folder: folder))
        } catch {
            throw Unusable(lines: error.errors.map(\.description))
        }
    }

    func read() throws(SystemError) -> [UInt8] { try Files.read(absolutePath, bytesMax: ConfigurationFile.bytesMax) }

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
