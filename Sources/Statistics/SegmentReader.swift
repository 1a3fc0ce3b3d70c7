// Looks into the segment of an lbd from outside: by copies of its parts, so that whatever becomes of the file or of its
// writer meanwhile ends in an error or in an older value, and lbd never waits.
import Model
import Synchronization
import SystemCalls

/// Why there is nothing to see, in words that say what would be right.
package struct SegmentError: Error, Equatable, CustomStringConvertible {
    package let description: String
    init(_ description: String) { self.description = description }
}

package final class SegmentReader: Sendable {
    package let path: String
    private let file: FileParts
    private let areas: AreaTable

    /// The segment's own path.
    package init(path: String) throws(SegmentError) {
        self.path = path
        do throws(SystemError) { file = try FileParts(path) } catch {
            throw SegmentError("\(path): \(SystemError.words(for: error.errorNumber)); it is there from lbd's start to its end, and for lbd's user and group alone")
        }
        areas = try AreaTable(of: file, path)
    }

    /// By the record that lies beside a control socket, or in a state directory.
    package convenience init(record: String) throws(SegmentError) {
        let path: String
        do throws(SystemError) { path = try SegmentFile.read(record: record) } catch {
            throw SegmentError(
                "\(record): \(SystemError.words(for: error.errorNumber)); an lbd that runs, or has crashed, has left there where its statistics are")
        }
        try self.init(path: path)
    }

    package func observe() throws(SegmentError) -> Observation {
        do throws(SystemError) {
            if let observation = try Look(file: file, areas: areas)?.observation() { return observation }
        } catch {
            throw SegmentError("\(path): \(error)")
        }
        throw SegmentError("\(path): lbd is only starting; try again in a moment")
    }
}

/// Where the areas are, as the header says; all of them lie within the file.
struct AreaTable: Sendable {
    struct Area: Sendable {
        let offset: Int
        let stride: Int
        let count: Int
        let arrays: Int
    }

    private let areas: [Area]

    init(of file: FileParts, _ path: String) throws(SegmentError) {
        let size: Int
        let header: EntryBytes
        do throws(SystemError) {
            size = try file.size()
            header = EntryBytes(try file.read(at: 0, count: SegmentHeader.bytes))
        } catch {
            throw SegmentError("\(path): \(error)")
        }
        guard header.bytes.count >= 12, header.bytes.starts(with: SegmentHeader.magic) else { throw SegmentError("\(path) is no statistics segment") }
        let version: UInt32 = header.number(at: 8)
        guard version == SegmentLayout.version else {
            throw SegmentError("\(path) has layout \(version), this program reads \(SegmentLayout.version): take the lbctl that came with that lbd")
        }
        guard header.bytes.count == SegmentHeader.bytes, header.number(at: 12, as: UInt32.self) == UInt32(SegmentArea.allCases.count) else {
            throw SegmentError("\(path) is cut off or damaged: its header is not whole")
        }
        var areas: [Area] = []
        for area in SegmentArea.allCases { areas.append(try AreaTable.area(area, header, size, path)) }
        self.areas = areas
        guard isConsistent else { throw SegmentError("\(path) is damaged: its areas do not fit one another") }
    }

    /// What has a number in one area has it in all of its kind.
    private var isConsistent: Bool {
        let (slots, listeners, pools) = (self[.slotTickets].count, self[.listenerTickets].count, self[.pools].count)
        return SegmentArea.allCases.allSatisfy { area in
            let count = SegmentLayout.count(area, slots: slots, listeners: listeners, pools: pools, rows: self[.connections].count)
            return self[area].count == count && self[area].arrays == (area.isByWorker ? self[.workers].arrays : 1)
        }
    }

    /// Bounded, so that no product of what the file says overflows.
    private static func area(_ area: SegmentArea, _ header: EntryBytes, _ size: Int, _ path: String) throws(SegmentError) -> Area {
        let place = SegmentHeader.areasOffset + area.rawValue * SegmentHeader.areaBytes
        let offset: UInt64 = header.number(at: place)
        let (stride, count): (UInt32, UInt32) = (header.number(at: place + 8), header.number(at: place + 12))
        let arrays: UInt32 = header.number(at: place + 16)
        guard stride == UInt32(area.stride), count > 0, count <= 1 << 24, arrays > 0, arrays <= 1 << 14,
            offset <= UInt64(size), UInt64(stride) * UInt64(count) * UInt64(arrays) <= UInt64(size) - offset
        else { throw SegmentError("\(path) is cut off or damaged: \(area) lies outside of it") }
        return Area(offset: Int(offset), stride: Int(stride), count: Int(count), arrays: Int(arrays))
    }

    subscript(area: SegmentArea) -> Area { areas[area.rawValue] }
}

/// Parts of the file as they were at one time.
struct Parts {
    let file: FileParts
    let areas: AreaTable

    /// So many entries of one array, one behind the other; as zeros where the file has been cut short meanwhile.
    func entries(_ area: SegmentArea, _ range: Range<Int>, array: Int = 0) throws(SystemError) -> [EntryBytes] {
        let place = areas[area]
        let bytes = try bytes(area, range, array: array)
        return (0..<range.count).map { EntryBytes(bytes, from: $0 * place.stride) }
    }

    func bytes(_ area: SegmentArea, _ range: Range<Int>, array: Int) throws(SystemError) -> [UInt8] {
        let place = areas[area]
        precondition(range.lowerBound >= 0 && range.upperBound <= place.count && array < place.arrays, "within the area")
        let count = range.count * place.stride
        var bytes = try file.read(at: place.offset + (array * place.count + range.lowerBound) * place.stride, count: count)
        if bytes.count < count { bytes += [UInt8](repeating: 0, count: count - bytes.count) }
        return bytes
    }

    /// Entries that are whole: read between two looks at their sequences, the others tried again for a while.
    /// Nil in the place of one that changed under every try.
    func whole(_ area: SegmentArea, _ range: Range<Int>, array: Int = 0) throws(SystemError) -> [EntryBytes?] {
        let before = try sequences(area, range, array)
        let found = try entries(area, range, array: array)
        let after = try sequences(area, range, array)
        var whole: [EntryBytes?] = []
        for index in found.indices {
            if before[index] == after[index], before[index] % 2 == 0 {
                whole.append(found[index])
            } else {
                whole.append(try again(area, range.lowerBound + index, array))
            }
        }
        return whole
    }

    private static var triesMax: Int { 20 }

    private func again(_ area: SegmentArea, _ index: Int, _ array: Int) throws(SystemError) -> EntryBytes? {
        for _ in 0..<Parts.triesMax {
            let before = try sequences(area, index..<index + 1, array)[0]
            let entry = try entries(area, index..<index + 1, array: array)[0]
            guard try sequences(area, index..<index + 1, array)[0] != before || before % 2 == 1 else { return entry }
        }
        return nil
    }

    private func sequences(_ area: SegmentArea, _ range: Range<Int>, _ array: Int) throws(SystemError) -> [UInt32] {
        // What is read before stays before, whatever the processor would rather do.
        atomicMemoryFence(ordering: .sequentiallyConsistent)
        defer { atomicMemoryFence(ordering: .sequentiallyConsistent) }
        let bytes = try bytes(area, range, array: array)
        return (0..<range.count).map { index in
            let place = index * areas[area].stride
            return UInt32(bytes[place]) | UInt32(bytes[place + 1]) << 8 | UInt32(bytes[place + 2]) << 16 | UInt32(bytes[place + 3]) << 24
        }
    }
}
