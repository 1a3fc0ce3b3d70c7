// A look from outside. Faults: a value in another's place, a torn row, a crash of whoever looks into a file that is cut
// off, damaged or hostile.
import Glibc
import Model
import SystemCalls
import Synchronization
import TestSupport
import Testing

@testable import Statistics

private let layout = SegmentLayout(workers: 2, slots: 100, listeners: 3, pools: 3, rows: 128)

/// A segment with a bit of everything in it, removed at the end.
private final class Sample: Sendable {
    let segment: Segment
    let path: String
    var view: SegmentView { segment.view }

    init() throws {
        segment = try Segment(layout: layout, in: ["/dev/shm"])
        guard let path = segment.path else { throw SystemError("open", ENOENT) }
        self.path = path
        try segment.reserve(slots: [0, 1, 70], pools: [0, 1], listeners: [0, 1], withDetails: true)
    }

    deinit { unlink(path) }

    func writeProcess(startTime: UInt64? = nil) throws {
        let own = try ProcessTrace.of(getpid())?.startTime ?? 0
        view.write(ProcessEntry(
            version: "1.2.3", pid: getpid(), startTime: startTime ?? own, startedAt: Timestamp(milliseconds: 1_700_000_000_000),
            boot: try ProcessTrace.boot(), connectionsMax: 9000, descriptorsMax: 20_000))
        view.write(Beat(monotonic: Clocks.monotonic(), calendar: Clocks.calendar(), descriptors: 77))
    }

    func fill() throws {
        try writeProcess()
        view.write(ListenerEntry(name: "web", bind: "127.0.0.1:80", pool: "front", before: ListenerTotals(accepted: 5, closed: 5, refused: 1)), listener: 1)
        view.write(rate: 12.5, listener: 1)
        view.write(PoolEntry(name: "front", balance: "random"), pool: 1)
        let now = Clocks.monotonic().nanoseconds
        for worker in 0..<2 {
            for _ in 0..<10 { view.listener(worker: worker, listener: 1).countAccepted() }
            view.times(.connects, worker: worker, pool: 1).count(nanoseconds: 70_000)
            view.backend(worker: worker, slot: 70).countConnection()
            view.backend(worker: worker, slot: 70).countBytesToClient(1000)
            view.storeBeat(sent: now, now: now + 1_000_000, worker: worker)
        }
        view.process.take()
        view.tickets(listener: 1).take()
        view.tickets(slot: 70).take()
        fillBackends()
    }

    private func fillBackends() {
        let address = IPEndpoint(IPAddress(ipv6High: 0x2001_0db8_0000_0000, low: 7), port: 8080)
        var entry = BackendEntry(
            pool: 1, name: "front-1", address: address, wish: .drain, probe: .up, availability: .draining, weight: 3, connectionsMax: 40)
        entry.hasDetails = true
        var before = BackendTotals()
        before.connections = 1
        let drain = ObservedDrain(
            owner: "amy", reason: String(repeating: "é", count: 200), since: Timestamp(milliseconds: 5), deadline: Timestamp(milliseconds: 9), leaseUntil: nil)
        view.write(BackendDetails(before: before, drain: drain, path: ""), slot: 70)
        view.write(entry, slot: 70)
        view.write(rate: 2, byteRate: 4096, slot: 70)
        var unix = BackendEntry(pool: 1, name: "front-2", address: nil, wish: .ready, probe: .unknown, availability: .unknown, weight: 1, connectionsMax: nil)
        unix.hasDetails = true
        view.write(BackendDetails(before: nil, drain: nil, path: "/run/x.sock"), slot: 1)
        view.write(unix, slot: 1)
    }
}

struct SegmentReaderTests {
    @Test func seesWhatWasWritten() throws {
        let sample = try Sample()
        try sample.fill()
        let seen = try SegmentReader(path: sample.path).observe()
        #expect(seen.process.version == "1.2.3" && seen.process.pid == getpid() && seen.process.liveness == .running)
        #expect(seen.process.connections == 1 && seen.process.connectionsMax == 9000 && seen.process.descriptors == 77)
        #expect(seen.process.descriptorsMax == 20_000 && !seen.process.isStopping && seen.process.startedAt.milliseconds == 1_700_000_000_000)
        let listener = try #require(seen.listeners.first)
        #expect(seen.listeners.count == 1 && listener.index == 1 && listener.name == "web" && listener.bind == "127.0.0.1:80" && listener.pool == "front")
        #expect(listener.connections == 1 && listener.connectionsTotal == 15 && listener.rate == 12.5)
        let pool = try #require(seen.pools.first)
        #expect(seen.pools.count == 1 && pool.index == 1 && pool.name == "front" && pool.balance == "random")
        #expect(pool.connectTimes.total == 2 && pool.connectTimes.sum == 140_000 && pool.firstBytes.total == 0)
        #expect(seen.workers.map(\.lag) == [.milliseconds(1), .milliseconds(1)])
    }

    @Test func seesBackendsAndTheirDrains() throws {
        let sample = try Sample()
        try sample.fill()
        let backends = try SegmentReader(path: sample.path).observe().pools[0].backends
        #expect(backends.map(\.slot) == [1, 70] && backends.map(\.name) == ["front-2", "front-1"])
        #expect(backends.map(\.address) == ["unix:/run/x.sock", "[2001:db8::7]:8080"])
        #expect(backends.map(\.wish) == [.ready, .drain] && backends.map(\.probe) == [.unknown, .up])
        #expect(backends.map(\.availability) == [.unknown, .draining] && backends.map(\.weight) == [1, 3])
        #expect(backends.map(\.connectionsMax) == [nil, 40] && backends.map(\.connections) == [0, 1])
        #expect(backends[1].totals.connections == 1 && backends[1].totals.bytesToClient == 2000, "less what was there before")
        #expect(backends[1].rate == 2 && backends[1].byteRate == 4096)
        let drain = try #require(backends[1].drain)
        #expect(drain.owner == "amy" && drain.since.milliseconds == 5 && drain.deadline?.milliseconds == 9 && drain.leaseUntil == nil)
        #expect(drain.reason == String(repeating: "é", count: 80), "cut between characters")
        #expect(backends[0].drain == nil)
        sample.view.write(nil as BackendEntry?, slot: 70)
        #expect(try SegmentReader(path: sample.path).observe().pools[0].backends.map(\.slot) == [1])
    }

    @Test func everyStateHasItsPlace() throws {
        let sample = try Sample()
        try sample.fill()
        for wish in Wish.allCases {
            for probe in ProbeFinding.allCases {
                for availability in Availability.allCases {
                    sample.view.write(
                        BackendEntry(pool: 1, name: "x", address: nil, wish: wish, probe: probe, availability: availability, weight: 1, connectionsMax: nil),
                        slot: 0)
                    let seen = try SegmentReader(path: sample.path).observe().pools[0].backends[0]
                    #expect(seen.wish == wish && seen.probe == probe && seen.availability == availability)
                }
            }
        }
    }

    /// As where /proc hides it, or from another container: its number is nobody's, or somebody else's.
    @Test func oneWhoseProcessCannotBeSeenLives() throws {
        let sample = try Sample()
        #expect(throws: SegmentError.self) { try SegmentReader(path: sample.path).observe() }
        try sample.writeProcess(startTime: 1)
        let seen = try SegmentReader(path: sample.path).observe().process
        #expect(seen.liveness == .running && !seen.isSeen, "the file is held: \(seen.liveness)")
    }

    @Test func oneThatLetsGoOfTheFileIsDeadThoughItsChildLives() throws {
        var sample: Sample? = try Sample()
        let path = try #require(sample?.path)
        try sample?.writeProcess()
        let reader = try SegmentReader(path: path)
        #expect(try reader.observe().process.liveness == .running)
        // Started as checks and restart commands are, with no more care for what it inherits.
        let child = try ChildProcess(starting: ["sleep", "600"], output: nil)
        sample = nil
        // Children that other tests start at this very moment have everything of ours until they are a program.
        let deadline = ContinuousClock.now + .seconds(20)
        var isDead = false
        while !isDead, ContinuousClock.now < deadline {
            if case .dead = try reader.observe().process.liveness { isDead = true } else { poll(nil, 0, 5) }
        }
        #expect(isDead, "nobody holds it")
        try child.signalGroup(SIGKILL)
        #expect(isReadable(child.number))
        #expect(try child.end() == .killed(signal: SIGKILL))
    }

    @Test func tellsTheSilentFromTheRunning() throws {
        let sample = try Sample()
        try sample.writeProcess()
        let old = MonotonicTime(nanoseconds: Clocks.monotonic().nanoseconds - 100_000_000_000)
        sample.view.write(Beat(monotonic: old, calendar: Clocks.calendar(), descriptors: 1))
        guard case .hung(let silent) = try SegmentReader(path: sample.path).observe().process.liveness else {
            Issue.record("no beat for 100 s")
            return
        }
        #expect(silent >= .seconds(100) && silent < .seconds(200))
    }

    // MARK: Rows

    @Test func listsConnections() throws {
        let sample = try Sample()
        try sample.fill()
        let rows = sample.view.growRows(worker: 1)
        let now = Clocks.monotonic().nanoseconds
        let client = IPEndpoint(IPAddress(ipv4: 0x0A00_0001), port: 4711)
        rows.begin(serial: 99, listener: 1, pool: 1, client: client, now: now - 60_000_000_000)
        rows.set(slot: 70)
        rows.countBytesToBackend(10, now: now)
        rows.countBytesToClient(20, now: now)
        rows.set(.halfClosedByClient)
        rows.advanced(by: 1).begin(serial: 100, listener: 0, pool: 2, client: nil, now: now)
        rows.advanced(by: 2).begin(serial: 101, listener: 0, pool: 2, client: nil, now: now)
        rows.advanced(by: 2).end()
        let seen = try SegmentReader(path: sample.path).observe()
        #expect(seen.connections.map(\.id) == [ConnectionID(worker: 1, serial: 99), ConnectionID(worker: 1, serial: 100)])
        let first = seen.connections[0], second = seen.connections[1]
        #expect(first.client == client && first.listener == 1 && first.pool == 1 && first.slot == 70 && first.phase == .halfClosedByClient)
        #expect(first.bytesToBackend == 10 && first.bytesToClient == 20)
        #expect(first.age >= .seconds(59) && first.age <= .seconds(90) && first.idle < .seconds(30))
        #expect(second.client == nil && second.slot == nil && second.phase == .connecting && second.pool == 2)
        #expect(seen.workers.map(\.connections) == [0, 2] && seen.unlisted == 0 && seen.unread == 0)
        rows.advanced(by: 1).set(client: client)
        rows.set(slot: -1)
        let after = try SegmentReader(path: sample.path).observe().connections
        #expect(after[1].client == client && after[1].phase == .connecting && after[0].slot == nil)
    }

    @Test func whatHasNoRowIsCounted() throws {
        let sample = try Sample()
        try sample.fill()
        let rows = (0..<3).map { _ in sample.view.growRows(worker: 0) }
        #expect(rows.map(\.isListed) == [true, true, false], "128 rows are two slabs")
        for row in rows { row.begin(serial: 1, listener: 0, pool: 0, client: nil, now: 1) }
        #expect(rows.map(\.isListed) == [true, true, false])
        sample.view.countUnlisted(1, worker: 0)
        let seen = try SegmentReader(path: sample.path).observe()
        #expect(seen.connections.count == 2 && seen.unlisted == 1 && seen.workers[0].connections == 3)
    }

    /// A row's client, its serial and its bytes are of one connection, however fast they come and go.
    @Test func aRowIsNeverTorn() async throws {
        let sample = try Sample()
        try sample.fill()
        let rows = sample.view.growRows(worker: 0)
        let isOver = Atomic(false)
        try await onThread {
            try await onThreads(2) { thread in
                guard thread == 1 else {
                    var serial: UInt64 = 0
                    while !isOver.load(ordering: .relaxed) {
                        serial += 1
                        let row = rows.advanced(by: Int(serial % 4))
                        row.begin(
                            serial: serial, listener: Int(serial % 3), pool: Int(serial % 3),
                            client: IPEndpoint(IPAddress(ipv6High: serial, low: ~serial), port: UInt16(truncatingIfNeeded: serial)), now: 1 << 24)
                        row.countBytesToBackend(Int(serial), now: 1 << 24)
                        if serial % 7 == 0 { row.end() }
                    }
                    return
                }
                defer { isOver.store(true, ordering: .relaxed) }
                let reader = try SegmentReader(path: sample.path)
                var (rows, unread) = (0, 0)
                for _ in 0..<400 {
                    let seen = try reader.observe()
                    unread += seen.unread
                    for row in seen.connections {
                        rows += 1
                        let serial = row.id.serial
                        let client = IPEndpoint(IPAddress(ipv6High: serial, low: ~serial), port: UInt16(truncatingIfNeeded: serial))
                        if row.client != client || row.listener != Int(serial % 3) || row.bytesToBackend != serial && row.bytesToBackend != 0 {
                            Issue.record("torn: \(row)")
                            return
                        }
                    }
                }
                #expect(rows > 100, "\(rows) rows, \(unread) unread: nothing was tried")
            }
        }
    }

    // MARK: Files that are not as they should be

    @Test func refusesWhatItCannotRead() throws {
        let folder = try TemporaryFolder()
        let said = { (content: [UInt8]) throws -> String in
            try Files.replace(folder.file("s"), with: content)
            do throws(SegmentError) { _ = try SegmentReader(path: folder.file("s")) } catch { return error.description }
            return "nothing"
        }
        #expect(try said([]).contains("is no statistics segment"))
        #expect(try said(Array("hello, this is a letter".utf8)).contains("is no statistics segment"))
        var header = SegmentHeader.bytes(of: layout)
        #expect(try said(Array(header.bytes.prefix(100))).contains("cut off or damaged"))
        #expect(try said(header.bytes).contains("lies outside"), "the areas are missing")
        header.put(UInt32(2), at: 8)
        #expect(try said(header.bytes).contains("has layout 2, this program reads 1"))
        let missing = #expect(throws: SegmentError.self) { try SegmentReader(path: folder.file("none")) }
        #expect(missing?.description.contains("No such file") == true)
        let unrecorded = #expect(throws: SegmentError.self) { try SegmentReader(record: folder.file("none")) }
        #expect(unrecorded?.description.contains("an lbd that runs") == true)
        #expect(throws: SegmentError.self) { try SegmentReader(path: folder.path) }
    }

    /// Bytes changed, cut off and put in, by seed: an error or some answer, and never more than a second.
    @Test func survivesAnyContent() throws {
        let sample = try Sample()
        try sample.fill()
        let rows = sample.view.growRows(worker: 0)
        for row in 0..<20 { rows.advanced(by: row).begin(serial: 1, listener: 0, pool: 0, client: nil, now: 1) }
        let good = try FileParts(sample.path).read(at: 0, count: layout.bytes)
        #expect(good.count == layout.bytes)
        let folder = try TemporaryFolder()
        var random = SeededGenerator(seed: SeededGenerator.seed)
        var (answers, errors) = (0, 0)
        for turn in 0..<150 {
            var bytes = good
            // Headers and counters say where all else is: they are hit most.
            for _ in 0..<Int.random(in: 1...20, using: &random) {
                let end = Bool.random(using: &random) ? SegmentHeader.bytes : turn % 2 == 0 ? layout.firstBytes : bytes.count
                bytes[Int.random(in: 0..<end, using: &random)] = [0, 1, 0x7F, 0xFF, .random(in: 0...255, using: &random)][turn % 5]
            }
            if turn % 3 == 0 { bytes = Array(bytes.prefix(.random(in: 0...bytes.count, using: &random))) }
            // Half of them with a good beginning, so that they come further.
            if turn % 2 == 0 { bytes.replaceSubrange(0..<min(bytes.count, SegmentHeader.bytes), with: good.prefix(min(bytes.count, SegmentHeader.bytes))) }
            let path = folder.file("s\(turn)")
            try Files.create(path, with: bytes)
            do throws(SegmentError) {
                _ = try SegmentReader(path: path).observe()
                answers += 1
            } catch {
                errors += 1
            }
            try Files.remove(path)
        }
        #expect(answers > 10 && errors > 10, "\(answers) answers, \(errors) errors")
    }

    /// Each word that says something, as one that overflows whatever is made of it. A start looks into what a crash has left.
    @Test func survivesExtremeWords() throws {
        let sample = try Sample()
        try sample.fill()
        sample.view.growRows(worker: 0).begin(serial: 1, listener: 0, pool: 0, client: nil, now: 1)
        let good = try FileParts(sample.path).read(at: 0, count: layout.bytes)
        let folder = try TemporaryFolder()
        try Files.create(folder.file("copy"), with: good)
        let reader = try SegmentReader(path: folder.file("copy"))
        let file = open(folder.file("copy"), O_WRONLY)
        defer { close(file) }
        let words = stride(from: SegmentLayout.pageBytes, to: good.count, by: 8).filter { place in good[place..<place + 8].contains { $0 != 0 } }
        #expect(words.count > 50)
        for place in words {
            for extreme in [UInt64(1) << 63, UInt64.max >> 1, UInt64.max, Double.infinity.bitPattern, Double.nan.bitPattern] {
                withUnsafeBytes(of: extreme.littleEndian) { #expect(pwrite(file, $0.baseAddress, 8, off_t(place)) == 8) }
                do throws(SegmentError) {
                    for pool in try reader.observe().pools { _ = (pool.connectTimes.quantile(0.99), pool.connectTimes.total) }
                } catch { #expect(!error.description.isEmpty) }
            }
            good[place..<place + 8].withUnsafeBytes { #expect(pwrite(file, $0.baseAddress, 8, off_t(place)) == 8) }
        }
    }

    @Test func survivesAFileThatShrinks() throws {
        let sample = try Sample()
        try sample.fill()
        let reader = try SegmentReader(path: sample.path)
        _ = try reader.observe()
        let folder = try TemporaryFolder()
        try Files.create(folder.file("copy"), with: try FileParts(sample.path).read(at: 0, count: layout.bytes))
        let copy = try SegmentReader(path: folder.file("copy"))
        for size in [layout.bytes / 2, layout.firstBytes, 5000, 100, 0] {
            #expect(truncate(folder.file("copy"), off_t(size)) == 0)
            do throws(SegmentError) { _ = try copy.observe() } catch { #expect(!error.description.isEmpty) }
        }
    }
}
