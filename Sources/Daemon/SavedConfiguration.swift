// The running configuration written to a file that reloads to no difference.
import Configuration
import ControlProtocol
import EventLoop
import Model
import SystemCalls

@ControlPlane struct SavedConfiguration {
    let running: RunningConfiguration

    private static let head = Array("# Written by lbd's 'config save'.\n".utf8)

    /// `path` nil: the file that lbd was started with; a relative one starts at that file's folder. What somebody else
    /// has written is not written over unless `force`.
    func write(to path: String?, force: Bool) async throws(Failure) -> ConfigSaveRecord {
        try await running.beginSaving()
        defer { running.endSaving() }
        let target = path.map { Files.resolve($0, in: running.file.folder) } ?? running.file.absolutePath
        let isOwn = target == running.file.absolutePath
        let there = try content(of: target)
        if !force { try checkUntouched(there, target, isOwn: isOwn) }
        let document = running.wanted.document.moved(to: Files.folder(of: target))
        let content = SavedConfiguration.head + Array(document.yaml.utf8)
        try check(content, of: document, target)
        // Beside the loop, as the disk may take long.
        do throws(SystemError) {
            try await inBackground { () throws(SystemError) in try Files.overwrite(target, with: content) }
        } catch {
            throw Failure(.failed, "\(target) cannot be saved: \(error)")
        }
        if isOwn { running.hasSaved(content, document) }
        return ConfigSaveRecord(file: target, bytes: content.count, lost: lost(there))
    }

    /// Nil: there is no such file.
    private func content(of target: String) throws(Failure) -> [UInt8]? {
        do throws(SystemError) {
            return try Files.read(target, bytesMax: ConfigurationFile.bytesMax)
        } catch {
            if error.isMissingFile { return nil }
            throw Failure(.failed, "\(target) cannot be looked at: \(error)")
        }
    }

    private func checkUntouched(_ there: [UInt8]?, _ target: String, isOwn: Bool) throws(Failure) {
        switch (there, isOwn) {
        case (nil, false): return
        case (nil, true):
            throw Failure(.refused, "\(target) is gone since it was loaded; force=yes (lbctl: --force) writes it anew")
        case (_?, false):
            throw Failure(.refused, "\(target) is there already, and lbd was not started with it; force=yes (lbctl: --force) writes over it")
        case (let there?, true):
            guard there != running.bytes else { return }
            throw Failure(
                .refused, "\(target) has changed on disk since it was loaded; look at it with config diff, then config reload takes it up, or force=yes (lbctl: --force) writes over it")
        }
    }

    /// What is written must mean what runs: better no file than a wrong one.
    private func check(_ content: [UInt8], of document: ConfigurationDocument, _ target: String) throws(Failure) {
        let again: LoadedConfiguration
        do throws(ConfigurationErrors) { again = try loadDocument(bytes: content, file: target, folder: document.folder) } catch {
            throw Failure(.failed, "\(target) was not written: it could not be read again (\(error.errors[0])), which is a fault of lbd")
        }
        guard again.configuration == running.wanted.configuration else {
            throw Failure(.failed, "\(target) was not written: it would mean something else than what runs, which is a fault of lbd")
        }
    }

    private func lost(_ there: [UInt8]?) -> String? {
        guard let there else { return nil }
        let own = there.starts(with: SavedConfiguration.head) ? there[SavedConfiguration.head.count...] : there[...]
        return own.contains(UInt8(ascii: "#")) ? "the comments that stood there are not kept" : nil
    }
}
