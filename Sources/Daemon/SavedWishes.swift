// What operators wish of backends, kept over a restart of lbd: a small file whose first line holds all wishes, and each
// further one those that have changed since, `null` for one that is as in the configuration again.
import ControlProtocol
import EventLoop
import FoundationEssentials
import Model
import SystemCalls

struct SavedWish: Sendable {
    let wish: Wish
    let drain: DrainLease?
    /// When the drain's lease runs out: a restart of lbd does not begin it anew.
    let leaseUntil: Timestamp?
}

/// Why saved wishes cannot be used; the message says what to do.
struct SavedWishesError: Error, CustomStringConvertible {
    let description: String
}

@ControlPlane final class SavedWishes {
    private let path: String
    /// What was last asked to be saved; nil before that.
    private var latest: [BackendReference: SavedWish]?
    /// Found at the start, of backends that are not configured: kept, whatever else is saved, until one of that name is,
    /// and theirs again. A node that was drained does not come back because a file has lacked it for a while. Nil: the
    /// file was not read yet.
    private(set) var unclaimed: [BackendReference: SavedWish]?
    /// Of `latest` those that the next write has to tell; nil: all.
    private var changed: Set<BackendReference>?
    private let file: PreallocatedFile
    /// The write that has begun, and the one that follows it for all who have asked meanwhile.
    private var writing: Task<SystemError?, Never>?
    private var next: Task<SystemError?, Never>?
    /// Between what is written and what the disk has.
    private var unsynced = Unsynced.nothing
    /// Told when the disk has refused what was written before.
    var failed: @ControlPlane (SystemError) -> Void = { _ in }

    private enum Unsynced {
        case nothing
        /// All that was written before the sync under way.
        case syncing
        /// Something was written since.
        case more
    }

    /// A file of more than this is not ours: some thousand backends take 300 bytes each.
    private static let bytesMax = 16 * 1024 * 1024
    private static let sectorBytes = 512
    /// For changes, some thousand of them: then it is written whole once more.
    private nonisolated static let room = 256 * 1024

    init(stateDirectory: String) {
        path = Files.resolve("wishes.json", in: stateDirectory)
        file = PreallocatedFile(path: path)
    }

    fileprivate struct Entry: Codable {
        var wish: Wish
        var owner: String?
        var reason: String?
        /// Milliseconds since 1970.
        var since: Int64?
        /// Milliseconds.
        var lease: Int64?
        /// Milliseconds since 1970, and the end that the connections meet then; absent in files of older versions.
        var deadline: Int64?
        var atDeadline: DrainEnd?
        /// Milliseconds since 1970; absent in files of older versions.
        var leaseUntil: Int64?
    }

    /// Empty where nothing was saved yet. A file that cannot be read is an error, not an empty one: a drained node
    /// must not come back because a disk is full.
    func read() throws -> [BackendReference: SavedWish] {
        // What is on its way to the disk counts as being there.
        if let latest { return latest }
        let content: [UInt8]
        do { content = try Files.read(path, bytesMax: SavedWishes.bytesMax) } catch {
            guard error.isMissingFile else { throw error }
            return [:]
        }
        guard let saved = SavedWishes.wishes(in: content) else {
            throw SavedWishesError(description: "\(path) is damaged: it is not what lbd writes there; mend it, or remove it to begin with the configuration's wishes")
        }
        unclaimed = unclaimed ?? saved
        return saved
    }

    /// Nil: it is damaged. A line that was being written when the machine went down is not whole, and neither it counts
    /// nor any after it: the disk did not have them.
    private static func wishes(in content: [UInt8]) -> [BackendReference: SavedWish]? {
        // Somebody may have written it anew by hand, on several lines.
        if let whole = changes(in: content[...]) { return Dictionary(uniqueKeysWithValues: whole).compactMapValues(\.self) }
        let isBlank = { (byte: UInt8) in byte == 0x20 }
        let lines = content.split(separator: 0x0A).filter { !$0.allSatisfy(isBlank) }
        var wishes: [BackendReference: SavedWish] = [:]
        for (index, line) in lines.enumerated() {
            guard let changes = changes(in: line) else {
                guard index > 0, index == lines.count - 1 || lacksSector(line) else { return nil }
                break
            }
            for (reference, wish) in changes { wishes[reference] = wish }
        }
        return wishes
    }

    /// A part of it did not reach the disk, which writes sectors whole and in any order: there the blanks stand that the
    /// file was made with.
    private static func lacksSector(_ line: ArraySlice<UInt8>) -> Bool {
        line.indices.contains { index in line[index] == 0x20 && (index % sectorBytes == 0 || (index + 1) % sectorBytes == 0) }
    }

    private static func changes(in line: ArraySlice<UInt8>) -> [(BackendReference, SavedWish?)]? {
        do {
            return try JSONDecoder().decode([String: Entry?].self, from: Data(line)).map { (try BackendReference($0.key), $0.value?.saved) }
        } catch {
            return nil
        }
    }

    /// The backend is configured now: its wish goes with it, and ends with its removal.
    func claim(_ reference: BackendReference) { unclaimed?[reference] = nil }

    // MARK: Writing

    /// Returns when the wishes of now would outlive this process, however it ends. The disk has them a moment later: should
    /// the machine itself go down within that moment, they are as before.
    func write(_ backends: [Backend], of table: PoolTable) async throws(SystemError) {
        if let failure = await begin(backends, of: table).value { throw failure }
    }

    /// Takes the wishes of now of these backends. The disk is waited for beside the loop: it may take long, and probes and
    /// other conversations go on. Who asks while it writes shares the next write.
    func begin(_ backends: [Backend], of table: PoolTable) -> Task<SystemError?, Never> {
        guard latest != nil else { return begin(table) }
        for backend in backends {
            latest?[backend.reference] = SavedWish(of: backend)
            changed?.insert(backend.reference)
        }
        return begin()
    }

    /// Takes those of all. Those of backends that were removed are dropped.
    func begin(_ table: PoolTable) -> Task<SystemError?, Never> {
        var wishes = unclaimed ?? [:]
        for backend in table.pools.flatMap(\.backends) { wishes[backend.reference] = SavedWish(of: backend) }
        (latest, changed) = (wishes, nil)
        return begin()
    }

    private func begin() -> Task<SystemError?, Never> {
        if let next { return next }
        let before = writing
        let task = start { () async -> SystemError? in
            _ = await before?.value
            self.next = nil
            return await self.save()
        }
        (next, writing) = (task, task)
        return task
    }

    private func save() async -> SystemError? {
        do throws(SystemError) {
            if !(try await append()) { try await replace() }
            return nil
        } catch {
            changed = nil
            return error
        }
    }

    /// False: it has to be written whole.
    private func append() async throws(SystemError) -> Bool {
        guard let changed else { return false }
        let line = text(of: changed.map { ($0, latest?[$0]) })
        guard file.hasRoom(for: line.count) else { return false }
        self.changed = []
        do throws(SystemError) {
            try await inBackground { [file] () throws(SystemError) in try file.append(line) }
            sync()
            return true
        } catch {
            if error.isMissingFile { return false }
            throw error
        }
    }

    private func sync() {
        switch unsynced {
        case .nothing:
            unsynced = .syncing
            start { await self.syncAll() }
        case .syncing: unsynced = .more
        case .more: return
        }
    }

    private func syncAll() async {
        repeat {
            unsynced = .syncing
            do throws(SystemError) {
                try await inBackground { [file] () throws(SystemError) in try file.sync() }
            } catch {
                // What stands there is not known: next time all of it is written.
                changed = nil
                failed(error)
            }
        } while unsynced == .more
        unsynced = .nothing
    }

    private func replace() async throws(SystemError) {
        let all = text(of: (latest ?? [:]).map { ($0.key, $0.value) })
        changed = []
        try await inBackground { [file] () throws(SystemError) in try file.replace(with: all, room: SavedWishes.room) }
    }

    /// A line.
    private func text(of wishes: [(BackendReference, SavedWish?)]) -> [UInt8] {
        let entries = wishes.map { ($0.0.description, $0.1.map(Entry.init)) }
        var text: [UInt8] = []
        JSONText.append(Dictionary(uniqueKeysWithValues: entries), to: &text)
        return text + [0x0A]
    }
}

extension SavedWish {
    /// Nil: there is nothing to keep.
    @ControlPlane fileprivate init?(of backend: Backend) {
        guard !backend.isGone, backend.wish != .ready || backend.configuration.wish != .ready else { return nil }
        self.init(wish: backend.wish, drain: backend.drain, leaseUntil: backend.leaseUntil)
    }
}

extension SavedWishes.Entry {
    fileprivate init(_ saved: SavedWish) {
        self.init(
            wish: saved.wish, owner: saved.drain?.owner, reason: saved.drain?.reason, since: saved.drain?.since.milliseconds,
            lease: saved.drain?.lease?.wholeMilliseconds, deadline: saved.drain?.deadline?.milliseconds, atDeadline: saved.drain?.atDeadline,
            leaseUntil: saved.leaseUntil?.milliseconds)
    }

    fileprivate var saved: SavedWish {
        let drain = owner.map {
            DrainLease(
                owner: $0, reason: reason, since: Timestamp(milliseconds: since ?? 0),
                lease: lease.map { .milliseconds($0) }, deadline: deadline.map { Timestamp(milliseconds: $0) }, atDeadline: atDeadline)
        }
        return SavedWish(wish: wish, drain: drain, leaseUntil: leaseUntil.map { Timestamp(milliseconds: $0) })
    }
}
