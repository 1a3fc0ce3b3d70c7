// What a backend can carry, of a pool's section or of a backend's.
import Model

extension Loader {
    mutating func capacity(_ section: SectionReader) -> Capacity? {
        guard let section = section.open(Declared.capacity, &findings) else { return nil }
        let connections = section.optional(Declared.capacityConnections, &findings)
        let connects = section.optional(Declared.capacityConnects, &findings)
        let bytes = section.optional(Declared.capacityBytes, &findings)
        guard let connections, let connects, let bytes else { return nil }
        return Capacity(connections: connections.value, connectsPerSecond: connects.value, bytesPerSecond: bytes.value?.bytes)
    }
}
