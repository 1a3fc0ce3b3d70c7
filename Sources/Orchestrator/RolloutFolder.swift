// Where a rollout keeps what must outlive it: DIR/ID with its journal, its lock, its socket and a folder a step.
import ControlProtocol
import Glibc
import Model
import Rollout
import SystemCalls

/// The folder of all rollouts of a user.
package struct RolloutStore: Equatable, Sendable {
    package let path: String

    package init(path: String) { self.path = path }

    /// `--state DIR`, else $XDG_STATE_HOME/sluice/rollouts, else below ~/.local/state as that standard says.
    package static func chosen(_ given: String?) throws(Failure) -> RolloutStore {
        if let given { return RolloutStore(path: given) }
        if let state = Environment.value("XDG_STATE_HOME") { return RolloutStore(path: state + "/sluice/rollouts") }
        guard let home = Environment.value("HOME") else {
            throw Failure(.badUsage, "where shall the rollout's journal be? Neither XDG_STATE_HOME nor HOME is set: give --state DIR")
        }
        return RolloutStore(path: home + "/.local/state/sluice/rollouts")
    }

    /// Whether it is found without `--state`.
    fileprivate var isDefault: Bool {
        do throws(Failure) { return try RolloutStore.chosen(nil) == self } catch { return false }
    }

    /// A folder for a new rollout. For its owner's eyes only: commands and what they print may hold secrets.
    package func create(for pool: PoolName, at time: Timestamp = Clocks.calendar()) throws(SystemError) -> RolloutFolder {
        try Files.makeFolder(path, mode: 0o700)
        while true {
            let folder = RolloutFolder(store: self, id: RolloutFolder.id(for: pool, at: time, mark: .random(in: 0...UInt16.max)))
            do throws(SystemError) {
                try Files.makeNewFolder(folder.path, mode: 0o700)
                return folder
            } catch {
                // Another rollout has taken the name in the same second.
                guard error.errorNumber == EEXIST else { throw error }
            }
        }
    }

    /// The oldest first. A store that was never made has none.
    package func folders() throws(SystemError) -> [RolloutFolder] {
        do throws(SystemError) {
            return try Files.names(in: path).map { RolloutFolder(store: self, id: $0) }.filter { Files.exists($0.journal) }
        } catch {
            guard error.isMissingFile else { throw error }
            return []
        }
    }

    /// The one of that ID, or of a beginning of one that no other has.
    package func folder(_ id: String) throws(Failure) -> RolloutFolder {
        let all: [RolloutFolder]
        do throws(SystemError) { all = try folders() } catch { throw Failure(.failed, "\(error)") }
        if let exact = all.first(where: { $0.id == id }) { return exact }
        let beginning = all.filter { $0.id.hasPrefix(id) && !id.isEmpty }
        if beginning.count == 1 { return beginning[0] }
        guard beginning.isEmpty else {
            throw Failure(.badUsage, "'\(id.escapedForOneLine)' may be any of \(beginning.map(\.id).joined(separator: ", "))")
        }
        throw Failure(.failed, "there is no rollout '\(id.escapedForOneLine)' in \(path)" + hint(id, all))
    }

    private func hint(_ id: String, _ all: [RolloutFolder]) -> String {
        guard let last = all.last else { return ", nor any other" }
        let nearest = id.nearest(among: all.map(\.id)) ?? all.last { $0.id.contains(id) && !id.isEmpty }?.id
        return nearest.map { "; did you mean '\($0)'?" } ?? "; the last one is \(last.id), see also: lbctl rollout list"
    }
}

package struct RolloutFolder: Equatable, Sendable {
    package let store: RolloutStore
    package let id: String

    package init(store: RolloutStore, id: String) {
        self.store = store
        self.id = id
    }

    package var path: String { store.path + "/" + id }
    /// As a verb is told which rollout is meant: for lines to paste.
    package var words: String { id + (store.isDefault ? "" : " --state \(store.path.shellQuoted)") }
    package var journal: String { path + "/journal.jsonl" }
    var lock: String { path + "/lock" }
    package var socket: String { path + "/socket" }

    /// Where the restart of one step runs, and what is left of it. `number`: from 1.
    package func step(_ number: Int, _ direction: RolloutMachine.Direction) -> String {
        switch direction {
        case .forward: "\(path)/step-\(number)"
        case .rollback: "\(path)/step-\(number)-rollback"
        }
    }

    /// The process that carries the rollout out; nil where none does.
    package func holder() throws(SystemError) -> pid_t? { try ProcessLock.holder(of: lock) }

    /// `20261121T180000Z-web-1a2b`: sorted by name they are sorted by time.
    static func id(for pool: PoolName, at time: Timestamp, mark: UInt16) -> String {
        let digits = time.rfc3339.prefix(19).filter { $0 != "-" && $0 != ":" }
        let hex = String(mark, radix: 16)
        return "\(digits)Z-\(pool)-\(String(repeating: "0", count: 4 - hex.count))\(hex)"
    }
}
