// Numbers and times of `top` in few characters.
import Model
import Statistics

enum TopText {
    /// `0`, `0.4`, `12`, `1234`, `56k`.
    static func rate(_ perSecond: Double) -> String {
        guard perSecond.isFinite, perSecond > 0 else { return "0" }
        if perSecond < 9.95 {
            let tenths = Int((perSecond * 10).rounded())
            return tenths == 0 ? "<0.1" : tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)"
        }
        return count(UInt64(min(1e18, perSecond.rounded())))
    }

    /// Five characters at most, up to the largest there is.
    static func count(_ number: UInt64) -> String {
        if number < 100_000 { return "\(number)" }
        return scaled(number, by: 1000, ["k", "M", "G", "T", "P", "E"])
    }

    /// `512`, `1.5Ki`, `48Mi`.
    static func bytes(_ number: UInt64) -> String {
        if number < 1024 { return "\(number)" }
        return scaled(number, by: 1024, ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"])
    }

    static func bytes(_ number: Double) -> String { bytes(UInt64(min(1e18, max(0, number.isFinite ? number : 0)))) }

    private static func scaled(_ number: UInt64, by base: Double, _ units: [String]) -> String {
        var rest = Double(number) / base
        var unit = 0
        while rest >= 999.5, unit < units.count - 1 {
            rest /= base
            unit += 1
        }
        let tenths = Int((rest * 10).rounded())
        return tenths < 100 ? "\(tenths / 10).\(tenths % 10)\(units[unit])" : "\(Int(rest.rounded()))\(units[unit])"
    }

    /// `340us`, `1.2ms`, `24ms`, `1.5s`, `2m 10s`; `-` for none.
    static func time(_ duration: Duration?) -> String {
        guard let duration else { return "-" }
        let microseconds = max(0, duration.wholeNanoseconds / 1000)
        switch microseconds {
        case ..<1000: return "\(microseconds)us"
        case ..<10_000: return "\(microseconds / 1000).\(microseconds % 1000 / 100)ms"
        case ..<1_000_000: return "\(microseconds / 1000)ms"
        case ..<10_000_000: return "\(microseconds / 1_000_000).\(microseconds % 1_000_000 / 100_000)s"
        default: return duration.spoken.split(separator: " ").enumerated().map { $0.offset == 2 ? " \($0.element)" : "\($0.element)" }.joined()
        }
    }

    /// `########----`
    static func bar(_ part: Int, of most: Int, width: Int) -> String {
        let marks = most > 0 ? min(width, max(part > 0 ? 1 : 0, width * part / most)) : 0
        return String(repeating: "#", count: marks) + String(repeating: "-", count: width - marks)
    }

    /// How long ago, or until when, for people: `3 m 20 s`.
    static func span(from earlier: Timestamp, to later: Timestamp) -> String {
        Duration.milliseconds(max(0, later.milliseconds - earlier.milliseconds)).spoken
    }

    /// `connect 340us/2.1ms, first byte 3ms/40ms, lasting 12s/4m 10s (half/99 of 100 within)`; nil: nothing was timed yet.
    static func quantiles(_ pool: ObservedPool) -> String? {
        let parts = [("connect", pool.connectTimes), ("first byte", pool.firstBytes), ("lasting", pool.durations)].compactMap { name, times in
            times.quantile(0.5).map { "\(name) \(time($0))/\(time(times.quantile(0.99)))" }
        }
        return parts.isEmpty ? nil : "p50/p99: " + parts.joined(separator: ", ")
    }

    /// Whose drain it is, what is left of it and until when.
    static func drain(_ drain: ObservedDrain, _ departure: TopDeparture, at now: Timestamp) -> String {
        var parts = ["drained by \(drain.owner) for \(span(from: drain.since, to: now))"]
        if let words = departure.words(deadline: drain.deadline.map { .milliseconds($0.milliseconds - now.milliseconds) }) { parts.append(words) }
        if let deadline = drain.deadline { parts.append(until(deadline, "deadline", at: now)) }
        if let lease = drain.leaseUntil { parts.append(until(lease, "lease ends", at: now)) }
        if let reason = drain.reason { parts.append(reason) }
        return parts.joined(separator: "; ")
    }

    private static func until(_ end: Timestamp, _ what: String, at now: Timestamp) -> String {
        end > now ? "\(what) in \(span(from: now, to: end))" : "\(what) \(span(from: end, to: now)) ago"
    }

    /// One sentence where lbd no longer runs as it should, and what to do; nil: it runs.
    static func warning(_ process: ObservedProcess, at now: Timestamp) -> String? {
        guard let silent = process.liveness.silent else { return nil }
        let since = Timestamp(milliseconds: now.milliseconds - silent.wholeMilliseconds).rfc3339
        let start = "lbd has been silent for \(silent.spoken) (since \(since)): "
        switch process.liveness {
        case .running: return nil
        case .stopped:
            return start + "it is stopped by a signal (SIGSTOP); what you see is how it was; 'kill -CONT \(process.pid)' lets it go on"
        case .hung where !process.isSeen:
            return start + "it lives, as it holds this file, and its control loop does nothing: it hangs, or a signal has stopped it, which "
                + "cannot be seen from here (/proc hides process \(process.pid), or it runs in another container); look where it runs"
        case .hung:
            return start + "process \(process.pid) is there and its control loop does nothing; connections may go on, commands and probes do not"
        case .dead:
            return start + "process \(process.pid) is gone, it crashed or was killed; what you see is how it was; its next start removes this"
        }
    }

    /// Until now, or until it fell silent for good.
    static func uptime(_ process: ObservedProcess, at now: Timestamp) -> Duration {
        let all = Duration.milliseconds(max(0, now.milliseconds - process.startedAt.milliseconds))
        if case .dead(let silent) = process.liveness { return max(.zero, all - silent) }
        return all
    }

    /// `lbd 0.3, pid 4711, up 3 h 2 m`
    static func title(_ process: ObservedProcess, at now: Timestamp) -> String {
        let time = uptime(process, at: now).spoken
        if case .dead = process.liveness { return "lbd \(process.version), pid \(process.pid), crashed after \(time)" }
        return "lbd \(process.version), pid \(process.pid), up \(time)" + (process.isStopping ? ", stopping" : "")
    }

    static func load(_ observation: Observation) -> String {
        let process = observation.process
        let lag = observation.workers.map(\.lag).max().map { ", loop lag \(time($0))" } ?? ""
        return "\(process.connections) of \(process.connectionsMax) connections, "
            + "\(process.descriptors) of \(process.descriptorsMax) descriptors\(lag)"
    }
}
