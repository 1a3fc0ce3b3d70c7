// Bytes that stay where they are, for any number of answers that are being sent at once.

package final class SharedBytes: Sendable {
    // Invariant: written by `init` alone, owned by this object, freed with it.
    nonisolated(unsafe) let start: UnsafeMutableRawPointer
    package let count: Int

    package init(_ bytes: [UInt8]) {
        count = bytes.count
        start = .allocate(byteCount: max(1, bytes.count), alignment: 1)
        bytes.withUnsafeBytes { UnsafeMutableRawBufferPointer(start: start, count: count).copyMemory(from: $0) }
    }

    deinit { start.deallocate() }

    /// A copy.
    package var bytes: [UInt8] { Array(UnsafeRawBufferPointer(start: start, count: count)) }
}
