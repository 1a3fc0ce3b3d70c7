// Durations and times. Faults: a silent wrong unit, a trap at the edge of Int64, a calendar that is a day off.
import Model
import Testing

struct UnitsTests {
    @Test(arguments: [
        ("0s", Duration.zero), ("250ms", .milliseconds(250)), ("2s", .seconds(2)), ("5m", .seconds(300)),
        ("1h", .seconds(3600)), ("7d", .seconds(604_800)), ("007s", .seconds(7)), ("3660d", .seconds(3660 * 86_400)),
    ])
    func readsDurations(_ text: String, _ duration: Duration) throws {
        #expect(try Duration(written: text) == duration)
    }

    /// `5` without a unit must not pass as seconds or milliseconds, a typo in the unit not as another one.
    @Test(arguments: [
        "", "5", "s", "ms", "-1s", "-0s", "+5s", "1.5s", "1e3s", " 1s", "1s ", "1 s", "5S", "5min", "1us", "٣s", "1h30m",
        "3661d", "9223372036854775807ms", "9223372036854775807d", "99999999999999999999s",
    ])
    func refusesEverythingElse(_ text: String) {
        #expect(throws: UnitError.self) { try Duration(written: text) }
    }

    @Test(arguments: [
        (Duration.zero, "0s"), (.milliseconds(1), "1ms"), (.milliseconds(1500), "1500ms"), (.seconds(90), "90s"),
        (.seconds(120), "2m"), (.seconds(7200), "2h"), (.seconds(86_400), "1d"), (.seconds(90_000), "25h"),
    ])
    func writtenIsTheShortestExactForm(_ duration: Duration, _ text: String) throws {
        #expect(duration.written == text)
        #expect(try Duration(written: text) == duration)
    }

    @Test(arguments: [
        (Duration.milliseconds(340), "340 ms"), (.milliseconds(9999), "9.9 s"), (.seconds(12), "12 s"),
        (.seconds(250), "4 m 10 s"), (.seconds(3720), "1 h 2 m"), (.seconds(90_000), "1 d 1 h"), (.seconds(-5), "0 ms"),
    ])
    func spoken(_ duration: Duration, _ text: String) {
        #expect(duration.spoken == text)
    }

    /// The product fits and the sum does not: this trapped once.
    @Test func wholeNumbersSaturateInsteadOfTrapping() {
        #expect(Duration.milliseconds(-1500).wholeMilliseconds == -1500)
        #expect(Duration.nanoseconds(1_999_999).wholeMilliseconds == 1)
        #expect(Duration.seconds(Int64.max).wholeMilliseconds == .max)
        #expect(Duration.seconds(Int64.min).wholeMilliseconds == .min)
        let edge = Duration(secondsComponent: Int64.max / 1000, attosecondsComponent: 999_000_000_000_000_000)
        #expect(edge.wholeMilliseconds == .max)
        let nanosecondEdge = Duration(secondsComponent: Int64.max / 1_000_000_000, attosecondsComponent: 999_999_999_000_000_000)
        #expect(nanosecondEdge.wholeNanoseconds == .max)
        #expect((.zero - nanosecondEdge).wholeNanoseconds == .min)
    }

    @Test func monotonicTimeStopsAtItsEnds() {
        let late = MonotonicTime(nanoseconds: .max - 5)
        #expect(late.advanced(by: .seconds(1)).nanoseconds == .max)
        #expect(MonotonicTime(nanoseconds: .min + 5).advanced(by: .seconds(-1)).nanoseconds == .min)
        #expect(late.advanced(by: .seconds(-1)) < late)
        #expect(MonotonicTime(nanoseconds: 5).duration(to: MonotonicTime(nanoseconds: 12)) == .nanoseconds(7))
    }

    /// Seconds from `date -u -d … +%s`.
    @Test(arguments: [
        (Int64(0), "1970-01-01T00:00:00.000Z"), (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (1_709_251_199_999, "2024-02-29T23:59:59.999Z"), (1_709_251_200_000, "2024-03-01T00:00:00.000Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00.000Z"), (4_107_456_000_000, "2100-02-28T00:00:00.000Z"),
        (1_795_249_984_120, "2026-11-21T08:33:04.120Z"), (1_735_689_599_000, "2024-12-31T23:59:59.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"), (-2_203_977_600_000, "1900-02-28T00:00:00.000Z"),
        (-2_203_891_200_000, "1900-03-01T00:00:00.000Z"), (-62_135_596_800_000, "0001-01-01T00:00:00.000Z"),
    ])
    func rfc3339(_ milliseconds: Int64, _ text: String) {
        #expect(Timestamp(milliseconds: milliseconds).rfc3339 == text)
        #expect(Timestamp(rfc3339: text)?.milliseconds == milliseconds)
    }

    /// Faults: a script's `date -u +%FT%TZ` refused; a fraction of other digits taken for another time.
    @Test(arguments: [
        ("2026-11-21T08:33:04Z", "2026-11-21T08:33:04.000Z"), ("2026-11-21T08:33:04.1Z", "2026-11-21T08:33:04.100Z"),
        ("2026-11-21T08:33:04.12Z", "2026-11-21T08:33:04.120Z"), ("2026-11-21T08:33:04.120999999Z", "2026-11-21T08:33:04.120Z"),
        ("1969-12-31T23:59:59Z", "1969-12-31T23:59:59.000Z"),
    ])
    func anyFraction(_ text: String, _ whole: String) { #expect(Timestamp(rfc3339: text)?.rfc3339 == whole) }

    @Test(arguments: ["", "2026-11-21T08:33:04", "2026-11-21T08:33:04.Z", "2026-11-21T08:33:04.1234567890Z", "2026-11-21T08:33:04.12xZ", "2026-11-21T08:33:04,120Z", "2026-02-30T00:00:00Z", "2026-02-30T08:33:04.120Z", "2026-13-01T08:33:04.120Z", "2026-11-21 08:33:04.120Z", "2026-11-21T24:00:00.000Z", "20x6-11-21T08:33:04.120Z"])
    func noTime(_ text: String) { #expect(Timestamp(rfc3339: text) == nil) }
}
