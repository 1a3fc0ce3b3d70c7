// How much a backend or a pool carries, and the highest it has carried lately: readings once a second, kept as the maxima
// of three spans of half a window. So the peak is that of the last window, and of up to half a window before.
import Model

package struct LoadMeter: Sendable {
    /// Over which a peak is told.
    package static let window = Duration.seconds(600)
    private static let span = 300.0

    private struct Maxima {
        var connections: Float = 0
        var connectsPerSecond: Float = 0
        var bytesPerSecond: Float = 0

        mutating func raise(to load: Maxima) {
            connections = max(connections, load.connections)
            connectsPerSecond = max(connectsPerSecond, load.connectsPerSecond)
            bytesPerSecond = max(bytesPerSecond, load.bytesPerSecond)
        }

        var load: Load {
            Load(connections: Double(connections), connectsPerSecond: Double(connectsPerSecond), bytesPerSecond: Double(bytesPerSecond))
        }
    }

    private var spans: (Maxima, Maxima, Maxima) = (Maxima(), Maxima(), Maxima())
    /// Of the first.
    private var number = 0
    private var latest = Maxima()
    private var connects: UInt64 = 0
    private var bytes: UInt64 = 0
    /// Seconds; negative: there was no reading yet.
    private var readAt = -1.0

    package init() {}

    /// As of the last reading.
    package var now: Load { latest.load }

    package var peak: Load { spans.0.load.orMore(spans.1.load).orMore(spans.2.load) }

    /// `connects` and `bytes` count from any beginning; `seconds` are those of a clock that never stands still.
    package mutating func read(connections: Int, connects: UInt64, bytes: UInt64, at seconds: Double) {
        defer { (self.connects, self.bytes, readAt) = (connects, bytes, seconds) }
        turn(to: Int(seconds / LoadMeter.span))
        latest.connections = Float(connections)
        let elapsed = seconds - readAt
        if readAt >= 0, elapsed > 0, connects >= self.connects, bytes >= self.bytes {
            latest.connectsPerSecond = Float(Double(connects - self.connects) / elapsed)
            latest.bytesPerSecond = Float(Double(bytes - self.bytes) / elapsed)
        }
        spans.0.raise(to: latest)
    }

    private mutating func turn(to number: Int) {
        guard number != self.number else { return }
        for _ in 0..<min(3, max(1, number - self.number)) { spans = (Maxima(), spans.0, spans.1) }
        self.number = number
    }
}
