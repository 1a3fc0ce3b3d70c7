// The highest load of the last ten minutes. Faults: a peak that is forgotten within the window, or kept for ever.
import Decisions
import Model
import Testing

struct LoadMeterTests {
    @Test("a peak is told for ten minutes at least and for fifteen at most", arguments: [0.0, 12, 299, 300, 450])
    func window(beginning: Double) {
        var meter = LoadMeter()
        for second in 0..<1000 {
            let at = beginning + Double(second)
            meter.read(connections: second == 5 ? 90 : 10, connects: 0, bytes: 0, at: at)
            if second >= 5, second <= 605 { #expect(meter.peak.connections == 90, "second \(second)") }
            if second >= 906 { #expect(meter.peak.connections == 10, "second \(second)") }
        }
        #expect(meter.now.connections == 10)
    }

    @Test func ratesAreDifferencesOverTheTimeThatReallyPassed() {
        var meter = LoadMeter()
        meter.read(connections: 1, connects: 1000, bytes: 1 << 40, at: 10)
        // Nothing is known of the time before the first reading.
        #expect(meter.peak == Load(connections: 1))
        meter.read(connections: 2, connects: 1030, bytes: 1 << 40 + 4000, at: 12)
        #expect(meter.now == Load(connections: 2, connectsPerSecond: 15, bytesPerSecond: 2000))
        // Counters that have begun anew.
        meter.read(connections: 2, connects: 3, bytes: 0, at: 13)
        #expect(meter.now == Load(connections: 2, connectsPerSecond: 15, bytesPerSecond: 2000))
        meter.read(connections: 0, connects: 4, bytes: 10, at: 14)
        #expect(meter.now == Load(connections: 0, connectsPerSecond: 1, bytesPerSecond: 10))
        #expect(meter.peak == Load(connections: 2, connectsPerSecond: 15, bytesPerSecond: 2000))
    }

    @Test func aLongSilenceForgetsAll() {
        var meter = LoadMeter()
        meter.read(connections: 50, connects: 0, bytes: 0, at: 1)
        meter.read(connections: 3, connects: 0, bytes: 0, at: 100_000)
        #expect(meter.peak.connections == 3)
    }
}
