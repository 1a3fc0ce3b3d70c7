// What the command line means, and what it refuses.
import ArgumentParser
import Testing

@testable import lbctl

@Suite struct ArgumentsTests {
    @Test func globalOptionsMayStandAnywhere() throws {
        for words in [["--control", "a", "status", "-o", "json"], ["-o", "json", "status", "--control", "a"], ["status", "--control", "a", "-o", "json"]] {
            let verb = try #require(try Lbctl.parseAsRoot(words) as? StatusCommand)
            #expect(verb.global.balancers.map(\.control) == ["a"])
            #expect(verb.global.isJSON)
        }
        let run = try #require(try Lbctl.parseAsRoot(["rollout", "--control", "a", "run", "web"]) as? RolloutRunCommand)
        #expect(run.global.balancers.map(\.control) == ["a"])
    }

    @Test func oneBalancerNamedTwiceIsOne() throws {
        let verb = try #require(try Lbctl.parseAsRoot(["status", "--control", "a", "--control", "a"]) as? StatusCommand)
        #expect(verb.global.balancers.count == 1)
    }

    @Test func theRestartCommandIsSplitAsAShellWould() throws {
        let run = try #require(
            try Lbctl.parseAsRoot(["rollout", "run", "web", "--restart", "ssh {host} 'a b' c\\ d"]) as? RolloutRunCommand)
        #expect(run.options.restart?.words == ["ssh", "{host}", "a b", "c d"])
    }

    @Test func aShellsLineStaysOneText() throws {
        let run = try #require(try Lbctl.parseAsRoot(["rollout", "run", "web", "--shell", "--restart", "a 'b c' | d"]) as? RolloutRunCommand)
        #expect(run.options.shell && run.options.restart?.text == "a 'b c' | d")
        #expect(throws: (any Error).self) { try Lbctl.parseAsRoot(["rollout", "run", "web", "--shell"]) }
    }

    @Test(arguments: [
        ["drain", "web"], ["drain"], ["drain", "web/a", "--at-deadline", "now"], ["close", "4711"], ["connections", "--limit", "0"], ["explain", "web"], ["drain", "web/a", "--wait", "--deadline", "-1s"],
        ["rollout", "run"], ["rollout", "run", "web", "--restart", "x {bakend}"], ["rollout", "run", "web", "--restart", ""],
        ["rollout", "run", "web", "--at-deadline", "keep"], ["status", "a/b/c"], ["undrain", "web/a", "--owner", ""],
        ["pool", "set", "web"], ["pool", "set", "web", "balance"], ["pool", "set", "web", "=1"], ["config", "set"], ["log", "level", "loud"],
        ["backend", "remove", "web/a", "--deadline", "1s"], ["backend", "add", "web/a"], ["pool", "add", "web", "a=x\ny"],
        ["share", "web/a=10"], ["share", "web/a=101", "--lease", "1s"], ["share", "web/a", "--lease", "1s"], ["share", "--lease", "1s"],
        ["share", "web/a=1", "web/a=2", "--lease", "1s"], ["share", "web/a=1", "api/a=2", "--lease", "1s"], ["unshare"], ["measure", "web/a"],
        ["listener", "set", "web"], ["listener", "set", "pool=web"], ["listener", "set", "web", "pool=a", "web-too"],
        ["listener", "set", "web", "web", "pool=a"],
        ["--control", "a", "--control", "b", "config", "save", "--file", "x"], ["config", "save", "--file", ""],
    ])
    func badUsageExits64(words: [String]) {
        let error = #expect(throws: (any Error).self) { try Lbctl.parseAsRoot(words) }
        if let error { #expect(Lbctl.exitCode(for: error).rawValue == 64) }
    }

    @Test func namesOfListenersStandBeforeTheirOptions() throws {
        let set = try #require(try Lbctl.parseAsRoot(["listener", "set", "web", "web-tls", "pool=new", "connections-max="]) as? ListenerSetCommand)
        #expect(set.names.map(\.text) == ["web", "web-tls"])
        #expect(set.settings.map { "\($0.key)=\($0.value)" } == ["pool=new", "connections-max="])
    }

    @Test func sharesAreRead() throws {
        let words = ["share", "web/a=0", "web/b=50", "--lease", "5m", "--owner", "ann", "--reason", "new disk"]
        let share = try #require(try Lbctl.parseAsRoot(words) as? ShareCommand)
        #expect(share.shares.map(\.percent) == [0, 50] && share.lease == .seconds(300))
        #expect(share.owner.owner == "ann" && share.reason == "new disk")
    }

    @Test func aMissingVerbIsBadUsage() throws {
        for words in [[], ["rollout"], ["config"], ["backend"], ["pool"], ["listener"], ["log"]] {
            var command = try Lbctl.parsed(words)
            let error = #expect(throws: (any Error).self) { try command.run() }
            if let error { #expect(Lbctl.exitCode(for: error).rawValue == 64) }
        }
        var rollout = try Lbctl.parsed(["rollout"])
        let error = #expect(throws: (any Error).self) { try rollout.run() }
        if let error { #expect(Lbctl.message(for: error).hasPrefix("rollout needs 'plan'")) }
    }

    @Test(arguments: [
        (["drian", "web/web-1"], "no verb 'drian'; did you mean 'drain'?"),
        (["--control", "a", "-o", "json", "drian", "web/web-1"], "no verb 'drian'; did you mean 'drain'?"),
        (["rollout", "pln", "web"], "no verb 'pln'; did you mean 'plan'?"),
        (["backend", "ad", "web/a", "127.0.0.1:1"], "no verb 'ad'; did you mean 'add'?"),
        (["config", "chekc"], "no verb 'chekc'; did you mean 'check'?"),
    ])
    func aMistypedVerbIsToldAsOne(words: [String], message: String) {
        let error = #expect(throws: (any Error).self) { try Lbctl.parsed(words) }
        guard let error else { return }
        #expect(Lbctl.message(for: error) == message)
        #expect(Lbctl.exitCode(for: error).rawValue == 64)
    }

    @Test func aFarVerbIsAnsweredWithThoseThereAre() {
        let error = #expect(throws: (any Error).self) { try Lbctl.parsed(["rollout", "foo"]) }
        if let error { #expect(Lbctl.message(for: error).hasPrefix("no verb 'foo'; rollout knows 'plan'")) }
    }

    @Test(arguments: [["--help"], ["drain", "--help"], ["--version"], ["--generate-completion-script", "bash"], ["help", "drian"]])
    func helpIsNoMistypedVerb(words: [String]) {
        do {
            _ = try Lbctl.parsed(words)
        } catch {
            #expect(!Lbctl.message(for: error).contains("no verb"))
        }
    }

    @Test func anUnknownOptionIsToldAsOne() {
        let error = #expect(throws: (any Error).self) { try Lbctl.parsed(["--contrl", "x", "status"]) }
        if let error { #expect(!Lbctl.message(for: error).contains("no verb")) }
    }
}
