// Pools: their backends and restarts.
import Configuration
import Model
import Testing

struct LoadPoolTests {
    @Test("every method of balancing is read as itself", arguments: Balance.allCases)
    func balance(_ balance: Balance) throws {
        let configuration = try load(changed("idle-timeout: 30m", "balance: \(balance.rawValue)"))
        #expect(configuration.pools.map(\.balance) == [balance])
    }

    @Test("every way of splicing is read as itself; YAML's own readers would take 'on' and 'off' for true and false", arguments: Splicing.allCases)
    func splice(_ splice: Splicing) throws {
        #expect(try load(changed("idle-timeout: 30m", "splice: \(splice.rawValue)")).pools[0].transport.splice == splice)
        #expect(try load(goodFile).pools[0].transport == PoolTransport())
    }

    @Test("two backends on one address would get twice the share, and a drain of one would drain neither")
    func sameAddress() {
        #expect(errors(changed("\"[::1]:9002\"", "127.0.0.1:9001")) == [
            "lb.yaml:12:21: backend 'web/b' has the address 127.0.0.1:9001 of 'web/a' in line 11; write its own"
        ])
        #expect(errors(changed("a: 127.0.0.1:9001", "a: \"[0:0::1]:9002\"")).count == 1, "another spelling of [::1]")
    }

    @Test("the same address in two pools is allowed: one server may serve two purposes")
    func sameAddressInTwoPools() {
        #expect(errors(goodFile + "  other: { backends: { a: 127.0.0.1:9001 } }\n") == [])
    }

    @Test("a name that stands twice hides one of two backends")
    func duplicateName() {
        #expect(errors(changed("      b: {", "      a: {")) == [
            "lb.yaml:12:7: 'a' stands twice: first in line 11, column 7; keep one of them"
        ])
    }

    @Test("names keep to their letters, for every log line and command repeats them")
    func badName() {
        #expect(errors(changed("      a: 127", "      a/b: 127")) == [
            "lb.yaml:11:7: backend 'a/b': a name consists of letters, digits, '.', '_' and '-'"
        ])
        #expect(errors(changed("      a: 127", "      \"\": 127")) == ["lb.yaml:11:7: backend '': a name must not be empty"])
    }

    @Test("no restart is no restart: a rollout must not run an example")
    func noRestart() throws {
        let text = changed("    restart:\n      command: [ssh, \"{host}\", restart, \"{backend}\"]\n", "")
        #expect(try load(text).pools[0].restart == nil)
    }
}
