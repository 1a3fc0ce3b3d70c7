// Whether the lbd of a segment lives: it holds the file locked for its life, which is seen from every namespace.
import Model
import SystemCalls

struct Life {
    let liveness: Liveness
    /// Its process can be looked at from here.
    let isSeen: Bool

    /// Beats come once a second.
    private static let hungAfter = Duration.seconds(3)

    /// `isHeld`: the file is locked. Goes by that before the beats: one that was killed a moment ago has just beaten.
    init(of process: ProcessEntry, _ beat: Beat, isHeld: Bool) {
        let trace = Life.trace(of: process)
        isSeen = trace != nil
        let silent = max(.zero, beat.monotonic.duration(to: Clocks.monotonic()))
        guard isHeld else {
            let sinceCalendar = Duration.milliseconds(max(0, Clocks.calendar().milliseconds - beat.calendar.milliseconds))
            liveness = .dead(silent: Life.boot() == process.boot ? silent : sinceCalendar)
            return
        }
        switch trace?.state {
        case .stopped: liveness = .stopped(silent: silent)
        case .running, .ended, nil: liveness = silent > Life.hungAfter ? .hung(silent: silent) : .running
        }
    }

    /// Nil: /proc hides it from us, or is not there, or it runs in another namespace, where its number means somebody else.
    private static func trace(of process: ProcessEntry) -> ProcessTrace? {
        do throws(SystemError) {
            guard let trace = try ProcessTrace.of(process.pid), trace.startTime == process.startTime else { return nil }
            return trace
        } catch {
            return nil
        }
    }

    private static func boot() -> String? {
        do throws(SystemError) { return try ProcessTrace.boot() } catch { return nil }
    }
}

extension Liveness {
    var isDead: Bool {
        switch self {
        case .dead: true
        case .running, .stopped, .hung: false
        }
    }
}
