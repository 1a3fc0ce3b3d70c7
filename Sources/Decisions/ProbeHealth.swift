// What a row of probe results says about a backend: rise and fall, a pure algorithm in sans-io style.
//
// The first probe decides at once: a balancer that has just started cannot keep a pool waiting for `rise`
// probes. From then on a finding changes only after `fall` failures or `rise` successes in a row, so that
// one lost packet takes nothing out and one lucky answer brings nothing back.
import Model

package enum ProbeResult: Equatable, Sendable {
    case success
    /// In words: `connect: Connection refused`.
    case failure(reason: String)
    /// It could not be made for want of something of ours (descriptors, memory, ports): nothing is known of the backend.
    case inconclusive(reason: String)
}

package struct ProbeHealth: Equatable, Sendable {
    package private(set) var finding: ProbeFinding = .unknown
    /// Results in a row that speak against `up` (failures) or against `down` (successes).
    private var contrary = 0
    private var rise: Int
    private var fall: Int

    /// `rise` and `fall`: 1 or more. `finding`: where it goes on from.
    package init(rise: Int, fall: Int, finding: ProbeFinding = .unknown) {
        precondition(rise >= 1 && fall >= 1, "rise and fall count results")
        self.rise = rise
        self.fall = fall
        self.finding = finding
    }

    /// Other rules from now on; what was found and counted stays.
    package mutating func follow(rise: Int, fall: Int) {
        precondition(rise >= 1 && fall >= 1, "rise and fall count results")
        (self.rise, self.fall) = (rise, fall)
    }

    /// Something is known, and the last result agreed with it: until then probes hurry.
    package var isSettled: Bool { finding != .unknown && contrary == 0 }

    /// Takes one finished probe; the new finding where it changes.
    package mutating func handle(_ result: ProbeResult) -> ProbeFinding? {
        switch (finding, result) {
        case (_, .inconclusive): return nil
        case (.unknown, .success): return change(to: .up)
        case (.unknown, .failure): return change(to: .down)
        case (.up, .success), (.down, .failure):
            contrary = 0
            return nil
        case (.up, .failure):
            contrary += 1
            return contrary >= fall ? change(to: .down) : nil
        case (.down, .success):
            contrary += 1
            return contrary >= rise ? change(to: .up) : nil
        }
    }

    /// Asked for on purpose (`probe`): `rise` fresh successes in a row count as up whatever was known before.
    package mutating func confirmUp() -> ProbeFinding? {
        finding == .up ? nil : change(to: .up)
    }

    private mutating func change(to new: ProbeFinding) -> ProbeFinding {
        finding = new
        contrary = 0
        return new
    }
}
