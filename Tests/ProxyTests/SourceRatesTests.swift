// The bounded table of rates. Faults: sources that share a bucket, a flood of sources that makes honest ones be
// refused or lets a known offender go, tokens taken twice by two threads or lost.
import Model
import TestSupport
import Testing

@testable import Proxy

private let start: Int64 = 1_000_000_000_000

private func table(
    perSecond: Int = 10, burst: Int = 3, ipv4: Int = 32, ipv6: Int = 64, max: Int = 1024
) -> SourceRates {
    SourceRates(SourceRate(rate: ConnectionRate(perSecond: perSecond, burst: burst), ipv4Prefix: ipv4, ipv6Prefix: ipv6, tableMax: max))
}

extension SourceRates {
    fileprivate func taken(by source: String, of count: Int = 100, at now: Int64 = start) throws -> Int {
        let address = try #require(IPAddress(source))
        return (0..<count).count { _ in take(address, now: now) }
    }
}

struct SourceRatesTests {
    @Test func eachSourceHasItsOwn() throws {
        let rates = table()
        defer { rates.free() }
        for source in ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8:0:1::1"] { #expect(try rates.taken(by: source) == 3, "\(source)") }
        // The same IPv6 network, the same IPv4 address in IPv6's clothes.
        for source in ["2001:db8::2", "::ffff:192.0.2.1"] { #expect(try rates.taken(by: source) == 0, "\(source)") }
        #expect(try rates.taken(by: "192.0.2.1", at: start + 100_000_000) == 1)
    }

    @Test func prefixesMakeNetworks() throws {
        let rates = table(ipv4: 24, ipv6: 48)
        defer { rates.free() }
        #expect(try rates.taken(by: "192.0.2.1", of: 2) == 2)
        #expect(try rates.taken(by: "192.0.2.255") == 1)
        #expect(try rates.taken(by: "192.0.3.1") == 3)
        #expect(try rates.taken(by: "2001:db8:7:1::", of: 3) == 3)
        #expect(try rates.taken(by: "2001:db8:7:2::") == 0)
        #expect(try rates.taken(by: "2001:db8:8::") == 3)
    }

    /// One set of eight, so that everybody meets everybody.
    @Test func aFloodOfSourcesRefusesNobodyAndForgetsNoOffender() throws {
        let rates = table(perSecond: 1, burst: 3, max: 8)
        defer { rates.free() }
        #expect(try rates.taken(by: "192.0.2.1") == 3)
        for number in 0..<10_000 {
            #expect(rates.take(IPAddress(ipv4: UInt32(0x0A00_0000 + number)), now: start), "an honest one was refused")
        }
        #expect(try rates.taken(by: "192.0.2.1") == 0, "the offender was forgotten for newcomers")
    }

    @Test func eightThreadsTakeWhatThereIs() async throws {
        let rates = table(perSecond: 1, burst: 1000, max: 65_536)
        defer { rates.free() }
        let taken = Counter()
        try await onThreads(8) { thread in
            for round in 0..<2000 {
                // Each source is asked for 8 times 200.
                if rates.take(IPAddress(ipv4: UInt32(round % 10)), now: start) { taken.add(1) }
                _ = rates.take(IPAddress(ipv6High: UInt64(thread * 2000 + round), low: 0), now: start)
            }
        }
        #expect(taken.value == 10 * 1000)
    }
}
