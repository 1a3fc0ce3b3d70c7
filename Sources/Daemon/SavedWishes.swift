// What operators wish of backends, kept over a restart of lbd: one small file, replaced atomically.
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
    /// The write that has begun, and the one that follows it for all who have asked meanwhile.
    private var writing: Task<SystemError?, Never>?
    private var next: Task<SystemError?, Never>?

    /// A file of more than this is not ours: some thousand backends take 300 bytes each.
    private static let bytesMax = 16 * 1024 * 1024

    init(stateDirectory: String) { path = Files.resolve("wishes.json", in: stateDirectory) }

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
        do {
            let entries = try JSONDecoder().decode([String: Entry].self, from: Data(content))
            let wishes = Dictionary(uniqueKeysWithValues: try entries.map { (try BackendReference($0.key), $0.value.saved) })
            unclaimed = unclaimed ?? wishes
            return wishes
        } catch {
            throw SavedWishesError(description: "\(path) is damaged: it is not what lbd writes there; mend it, or remove it to begin with the configuration's wishes")
        }
    }

    /// The backend is configured now: its wish goes with it, and ends with its removal.
    func claim(_ reference: BackendReference) { unclaimed?[reference] = nil }

    /// Returns when the wishes of now are on the disk.
    func write(_ table: PoolTable) async throws(SystemError) {
        if let failure = await begin(table).value { throw failure }
    }

    /// Takes the wishes of now. The disk is waited for beside the loop: it may take long, and probes and other
    /// conversations go on. Who asks while it writes shares the next write.
    func begin(_ table: PoolTable) -> Task<SystemError?, Never> {
        latest = wishes(of: table)
        if let next { return next }
        let before = writing
        let task = start { () async -> SystemError? in
            _ = await before?.value
            self.next = nil
            return await self.replace(with: self.text)
        }
        (next, writing) = (task, task)
        return task
    }

    private func replace(with text: [UInt8]) async -> SystemError? {
        do throws(SystemError) {
            try await inBackground { [path] () throws(SystemError) in try Files.replace(path, with: text) }
            return nil
        } catch {
            return error
        }
    }

    /// Those of backends that were removed are dropped.
    private func wishes(of table: PoolTable) -> [BackendReference: SavedWish] {
        var wishes = unclaimed ?? [:]
        for backend in table.pools.flatMap(\.backends) where backend.wish != .ready || backend.configuration.wish != .ready {
            wishes[backend.reference] = SavedWish(wish: backend.wish, drain: backend.drain, leaseUntil: backend.leaseUntil)
        }
        return wishes
    }

    private var text: [UInt8] {
        let entries = (latest ?? [:]).map { ($0.key.description, Entry($0.value)) }
        var text: [UInt8] = []
        JSONText.append(Dictionary(uniqueKeysWithValues: entries), to: &text)
        return text
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
