// The file behind the segment. Faults: a store to memory that is not there (SIGBUS), somebody else's file removed, what a
// crash has left kept for ever.
import CLinux
import Glibc
import SystemCalls
import TestSupport
import Testing

@testable import Statistics

private let small = SegmentLayout(workers: 2, slots: 200, listeners: 3, pools: 2, rows: 256)

struct SegmentFileTests {
    @Test func liesInMemoryWithItsHeader() throws {
        let segment = try Segment(layout: small, in: ["/dev/shm"])
        let path = try #require(segment.path)
        defer { unlink(path) }
        var status = stat()
        #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o640 && Int(status.st_size) == small.bytes)
        #expect(path.hasPrefix("/dev/shm/lbd-\(getpid())") && path.hasSuffix(".statistics"))
        // Holes: no more than the first areas has memory.
        #expect(Int(status.st_blocks) * 512 <= small.firstBytes)
        let header = EntryBytes(try FileParts(path).read(at: 0, count: SegmentHeader.bytes))
        #expect(header.bytes.prefix(8).elementsEqual("SLUICEst".utf8) && header.number(at: 8, as: UInt32.self) == 1)
        #expect(header.number(at: 16, as: UInt64.self) == UInt64(small.bytes) && header.number(at: 24, as: UInt32.self) == 2)
        let second = try Segment(layout: small, in: ["/dev/shm"])
        #expect(second.path != nil && second.path != path, "one process, two segments")
        if let path = second.path { unlink(path) }
    }

    @Test func whatIsReservedHasMemory() throws {
        let segment = try Segment(layout: small, in: ["/dev/shm"])
        let path = try #require(segment.path)
        defer { unlink(path) }
        let before = try blocks(path)
        // 64 tickets share a page, whoever comes first.
        try segment.reserve(slots: [0])
        let first = try blocks(path)
        try segment.reserve(slots: [1, 2])
        #expect(first > before)
        #expect(try blocks(path) == first)
        try segment.reserve(slots: [150], pools: [1], listeners: [2], withDetails: true)
        #expect(try blocks(path) > first)
        for worker in 0..<2 { segment.view.backend(worker: worker, slot: 150).countConnection() }
        segment.view.tickets(slot: 150).take()
        #expect(segment.view.totals(slot: 150).connections == 2)
    }

    private func blocks(_ path: String) throws -> Int {
        var status = stat()
        guard stat(path, &status) == 0 else { throw SystemError("stat", errno, on: path) }
        return Int(status.st_blocks)
    }

    /// A disk would be written to at each turn of the kernel.
    @Test func aFolderOnADiskIsNoPlace() throws {
        for folder in ["/proc", "/nowhere"] {
            #expect(throws: SystemError.self) { try Segment(layout: small, in: [folder]) }
        }
    }

    @Test func onAFullOneEveryFurtherNumberIsRefused() async throws {
        let folder = try TemporaryFolder()
        // Enough for the start, and for some slots.
        guard try await isMounted(folder.path, size: small.firstBytes + 40 * 4096) else { return }
        defer { _ = umount2(folder.path, Int32(MNT_DETACH)) }
        let segment = try Segment(layout: small, in: [folder.path])
        try segment.reserve(slots: [0])
        let failure = #expect(throws: SystemError.self) {
            for slot in 1..<200 { try segment.reserve(slots: [slot], pools: [slot % 2], withDetails: true) }
        }
        #expect(failure?.errorNumber == ENOSPC, "\(String(describing: failure))")
        // What it has it keeps, and connections beyond are counted.
        segment.view.backend(worker: 1, slot: 0).countConnection()
        let rows = (0..<4).map { _ in segment.view.growRows(worker: 0) }
        #expect(rows.contains { !$0.isListed })
        for row in rows { row.begin(serial: 1, listener: 0, pool: 0, client: nil, now: 0) }
        let tooSmall = #expect(throws: SystemError.self) { try Segment(layout: small, in: [folder.path]) }
        #expect(tooSmall?.errorNumber == ENOSPC)
        #expect(try Files.names(in: folder.path).count == 1, "what could not be had is not left behind")
    }

    private func isMounted(_ path: String, size: Int) async throws -> Bool {
        try await onThread {
            let child = try ChildProcess(starting: ["mount", "-t", "tmpfs", "-o", "size=\(size)", "none", path], output: nil)
            #expect(isReadable(child.number))
            return try child.end() == .exited(status: 0)
        }
    }

    // MARK: What a crash leaves

    @Test func theNextStartRemovesWhatACrashHasLeft() throws {
        let folder = try TemporaryFolder()
        let record = SegmentFile.record(inStateDirectory: folder.path)
        #expect(try SegmentFile.removeLeft(record: record) == nil, "there was none")
        let path = try #require(try Segment(layout: small, in: ["/dev/shm"]).path)
        try SegmentFile.write(record: record, path: path)
        #expect(try SegmentFile.read(record: record) == path)
        #expect(try SegmentFile.removeLeft(record: record) == path)
        #expect(!Files.exists(path) && !Files.exists(record))
        // A machine that has rebooted has the record alone.
        try SegmentFile.write(record: record, path: path)
        #expect(try SegmentFile.removeLeft(record: record) == nil && !Files.exists(record))
    }

    @Test func whatIsNoSegmentStays() throws {
        let folder = try TemporaryFolder()
        let record = SegmentFile.record(inStateDirectory: folder.path)
        let real = try #require(try Segment(layout: small, in: ["/dev/shm"]).path)
        defer { unlink(real) }
        try Files.create(folder.file("lbd-1.statistics"), with: Array("a diary".utf8))
        try Files.create(folder.file("diary"), with: SegmentHeader.magic)
        symlink(real, folder.file("lbd-2.statistics"))
        for path in [folder.file("lbd-1.statistics"), folder.file("diary"), folder.file("lbd-2.statistics"), folder.path] {
            try SegmentFile.write(record: record, path: path)
            #expect(try SegmentFile.removeLeft(record: record) == nil)
            #expect(Files.exists(path) && Files.exists(real), "\(path)")
        }
        // Of an lbd that lives, wherever: the state directory was copied.
        let living = try Segment(layout: small, in: ["/dev/shm"])
        let path = try #require(living.path)
        defer { unlink(path) }
        living.view.write(ProcessEntry(
            version: "1", pid: getpid(), startTime: 1, startedAt: Clocks.calendar(),
            boot: try ProcessTrace.boot(), connectionsMax: 1, descriptorsMax: 1))
        try SegmentFile.write(record: record, path: path)
        #expect(try SegmentFile.removeLeft(record: record) == nil && Files.exists(path))
        for text in ["", "relative/lbd-1.statistics\n", "/a\n/b\n", "/no/end"] {
            try Files.replace(record, with: Array(text.utf8))
            #expect(throws: SystemError.self) { try SegmentFile.removeLeft(record: record) }
        }
    }
}
