// The configuration that runs, as a document that commands change, beside the file that it came from.
import Configuration
import ControlProtocol
import EventLoop
import Logging
import Model
import SystemCalls

@ControlPlane final class RunningConfiguration {
    let file: ConfigurationFile
    /// What was asked for last. It runs, but for the options that only the next start takes up.
    private(set) var wanted: LoadedConfiguration
    /// What lbd was started with: the options that only a start takes up still have its values.
    private let started: LoadedConfiguration
    /// What stood in the file when it was last loaded or saved.
    private(set) var bytes: [UInt8]
    /// What that meant.
    private var documentInFile: ConfigurationDocument
    /// Of the last reload.
    private(set) var reloadFailure: ReloadFailureReport?
    /// Counted when somebody asks; nil: something has changed since.
    private var unsavedKnown: Int?
    private let reconfiguration: Reconfiguration
    private let logger: Logger

    init(_ file: ConfigurationFile, _ content: ConfigurationFile.Content, _ reconfiguration: Reconfiguration, _ logger: Logger) {
        self.file = file
        wanted = content.loaded
        started = content.loaded
        bytes = content.bytes
        documentInFile = content.loaded.document
        self.reconfiguration = reconfiguration
        self.logger = logger
    }

    /// All of the edits, or none.
    func edit(_ edits: [ConfigurationEdit], now: Bool = false, by user: String) throws(Failure) -> [ConfigurationChange] {
        let edited: LoadedConfiguration
        do throws(ConfigurationEditError) { edited = try wanted.edited(by: edits) } catch {
            throw Failure(error.isUnsafe ? .refused : .failed, error.description)
        }
        return try change(to: edited, now: now, by: user)
    }

    /// The pool that the edit changes, as it would be then; nil where it cannot be made: whoever makes it hears why.
    func pool(after edit: ConfigurationEdit) -> PoolConfiguration? {
        guard case .set(.pool(let name), _) = edit else { return nil }
        do throws(ConfigurationEditError) { return try wanted.edited(by: [edit]).configuration.pools.first { $0.name == name } } catch { return nil }
    }

    /// Takes up the file as it is on disk, all of it but what waits for the next start, or nothing: then the log says why,
    /// whoever asked.
    func reload(by user: String) throws(ReloadFailure) -> [ConfigurationChange] {
        do throws(ReloadFailure) {
            let changes = try takeUpFile(by: user)
            reloadFailure = nil
            return changes
        } catch {
            reloadFailure = ReloadFailureReport(at: Clocks.calendar(), by: user, errors: error.lines)
            for line in error.lines { logger.error("\(line)") }
            logger.error("config reload by \(user): nothing has changed; mend the file and reload again")
            throw error
        }
    }

    private func takeUpFile(by user: String) throws(ReloadFailure) -> [ConfigurationChange] {
        let content: ConfigurationFile.Content
        do throws(ConfigurationFile.Unusable) { content = try file.load() } catch { throw .file(error.lines) }
        do throws(Failure) {
            let changes = try change(to: content.loaded, now: false, by: user)
            hasSaved(content.bytes, content.loaded.document)
            return changes
        } catch {
            throw .notApplied(error)
        }
    }

    /// Why a reload has changed nothing.
    enum ReloadFailure: Error {
        /// Each error as `FILE:LINE:COLUMN: what is wrong`.
        case file([String])
        case notApplied(Failure)

        var lines: [String] {
            switch self {
            case .file(let lines): lines
            case .notApplied(let failure): [failure.message]
            }
        }
    }

    /// What a reload would change, and what of the file waits for the next start already.
    func difference() throws(ConfigurationFile.Unusable) -> [ConfigurationChange] {
        let onDisk = try file.load().loaded.document
        let changes = Configuration.difference(from: wanted.document, to: onDisk)
        let waiting = Configuration.difference(from: started.document, to: onDisk).filter { pending in
            pending.waitsForStart && !changes.contains { $0.topic == pending.topic }
        }
        return waiting + changes
    }

    /// The file has these bytes now, and means this.
    func hasSaved(_ content: [UInt8], _ document: ConfigurationDocument) {
        (bytes, documentInFile, unsavedKnown) = (content, document, nil)
    }

    /// Changes by commands that the file does not have.
    var unsavedChanges: Int {
        if let unsavedKnown { return unsavedKnown }
        let count = Configuration.difference(from: documentInFile, to: wanted.document).count
        unsavedKnown = count
        return count
    }

    // MARK: Saving

    /// Somebody writes; announced when he has done.
    private var isSaving = false
    private let saved = Broadcast()

    /// One after the other: two at once would write the same file beside, and each find the other's words where it
    /// had left its own. `endSaving` ends it.
    func beginSaving() async throws(Failure) {
        while isSaving {
            guard await saved.next(after: saved.version) == .ready else { throw Failure(.failed, "interrupted") }
        }
        isSaving = true
    }

    func endSaving() {
        isSaving = false
        saved.announce()
    }

    /// `defaults`: all that holds, not only what was written.
    func document(defaults: Bool) -> ConfigurationDocument { defaults ? wanted.document.effective : wanted.document }

    private func change(to new: LoadedConfiguration, now: Bool, by user: String) throws(Failure) -> [ConfigurationChange] {
        guard new.document != wanted.document else { return [] }
        let changes = Configuration.difference(from: wanted.document, to: new.document)
        try reconfiguration.apply(new.configuration.keeping(started.configuration), now: now, by: user, changes: changes)
        (wanted, unsavedKnown) = (new, nil)
        return changes
    }
}
