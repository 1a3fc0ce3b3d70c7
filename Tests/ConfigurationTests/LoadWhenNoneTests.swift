// What a pool does without backends, as the file says it. Faults: a divert that leads nowhere or round in a circle, found
// by the first client at night; an option that does nothing and looks as if it did.
import Configuration
import Model
import Testing

struct LoadWhenNoneTests {
    /// The good file's pool with these lines, and further pools.
    private func file(_ lines: String, pools: String = "") -> String {
        changed("idle-timeout: 30m", lines) + pools
    }

    private let spare = "  spare: { backends: { s: 127.0.0.1:9009 } }\n"

    @Test("each way is read as itself, and refuse is the default")
    func ways() throws {
        #expect(try load(goodFile).pools[0].whenNone == .refuse)
        #expect(try load(file("when-none: refuse")).pools[0].whenNone == .refuse)
        #expect(try load(file("when-none: hold")).pools[0].whenNone == .hold(lengthMax: 1024, timeout: .seconds(30)))
        #expect(try load(file("when-none: hold\n    hold: { length-max: 7, timeout: 2m }")).pools[0].whenNone
            == .hold(lengthMax: 7, timeout: .seconds(120)))
        #expect(try load(file("when-none: divert\n    divert: spare", pools: spare)).pools[0].whenNone == .divert(PoolName("spare")))
        #expect(try load(goodFile).pools[0].slowStart == .zero)
        #expect(try load(file("slow-start: 90s")).pools[0].slowStart == .seconds(90))
    }

    @Test("what goes with another way is an error, not an idle line", arguments: [
        ("hold: { timeout: 5s }", "8:13: 'timeout' of 'hold' of pool 'web' goes with when-none: hold and when-none is refuse; "
            + "write when-none: hold, or take 'hold' out"),
        ("divert: web", "8:5: 'divert' of pool 'web' goes with when-none: divert and when-none is refuse; "
            + "write when-none: divert, or take 'divert' out"),
        ("when-none: divert", "8:16: 'when-none' of pool 'web' is divert, which needs 'divert'; "
            + "add divert: and the pool that connections go to"),
        ("when-none: wait", "8:16: 'when-none' of pool 'web' is 'wait'; write refuse, hold or divert"),
    ])
    func idle(lines: String, error: String) {
        #expect(errors(file(lines)) == ["lb.yaml:" + error])
    }

    @Test("a divert leads to a pool of the file")
    func dangling() {
        #expect(errors(file("when-none: divert\n    divert: spar", pools: spare)) == [
            "lb.yaml:9:13: 'divert' of pool 'web' names pool 'spar', which is not defined; did you mean 'spare'?"
        ])
    }

    @Test("diverts may be a chain and no circle: a connection would go round for ever")
    func circle() {
        let divert = "when-none: divert\n    divert: "
        let chain = "  b: { when-none: divert, divert: c, backends: { s: 127.0.0.1:9009 } }\n  c: { backends: { s: 127.0.0.1:9010 } }\n"
        #expect(errors(file(divert + "b", pools: chain)) == [])
        #expect(errors(file(divert + "web")) == [
            "lb.yaml:9:13: 'divert' of pool 'web' leads back to it (web, web); let one of them refuse or hold instead"
        ])
        let circle = chain.replacing("c: { backends", with: "c: { when-none: divert, divert: b, backends")
        #expect(errors(file(divert + "b", pools: circle)) == [
            "lb.yaml:16:35: 'divert' of pool 'b' leads back to it (b, c, b); let one of them refuse or hold instead",
            "lb.yaml:17:35: 'divert' of pool 'c' leads back to it (c, b, c); let one of them refuse or hold instead",
        ])
    }
}
