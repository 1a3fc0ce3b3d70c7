// Capacities: a pool's, and a backend's own. Fault: a capacity that is read as another quantity's.
import Model
import Testing

@testable import Configuration

private func file(_ pool: String, _ backend: String = "address: 127.0.0.1:9001") -> String {
    """
    control: run/lbd.sock
    state-directory: run
    listeners: { web: { bind: 127.0.0.1:8080, pool: web } }
    pools:
      web:
        \(pool)
        backends:
          a: { \(backend) }
    """
}

struct LoadCapacityTests {
    @Test func ofAPoolAndOfABackend() throws {
        let pool = try load(file(
            "capacity: { connections: 900, connects-per-second: 50, bytes-per-second: 100MiB }",
            "address: 127.0.0.1:9001, capacity: { connections: 100 }")).pools[0]
        #expect(pool.capacity == Capacity(connections: 900, connectsPerSecond: 50, bytesPerSecond: 100 << 20))
        #expect(pool.backends[0].capacity == Capacity(connections: 100))
        #expect(pool.backends[0].capacity.completed(by: pool.capacity) == Capacity(connections: 100, connectsPerSecond: 50, bytesPerSecond: 100 << 20))
        #expect(try load(file("balance: random")).pools[0].capacity.isEmpty)
    }

    @Test func sizesHaveAUnit() throws {
        for (text, bytes) in [("1B", 1), ("512B", 512), ("64KiB", 65_536), ("1GiB", 1 << 30), ("1024TiB", 1 << 50)] {
            #expect(try load(file("capacity: { bytes-per-second: \(text) }")).pools[0].capacity.bytesPerSecond == bytes)
        }
        for text in ["64", "64KB", "1.5MiB", "0B", "1025TiB", "-1B", "99999999999999999999B", "9999999999TiB"] {
            #expect(throws: (any Error).self, "\(text)") { try load(file("capacity: { bytes-per-second: \(text) }")) }
        }
        for size in [1, 512, 1000, 1024, 1536, 1 << 20, 3 << 30] {
            let written = ByteSize(bytes: size).written
            #expect(try ByteSize(written: written).bytes == size)
        }
    }
}
