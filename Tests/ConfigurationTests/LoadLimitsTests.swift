// Limits of connections, and what happens at them.
import Configuration
import Model
import Testing

struct LoadLimitsTests {
    @Test("no limit unless one is asked for, and a full pool refuses")
    func absent() throws {
        let configuration = try load(goodFile)
        #expect(configuration.connectionsMax == nil)
        #expect(configuration.listeners[0].connectionsMax == nil)
        #expect(configuration.pools[0].whenFull == .refuse)
        #expect(configuration.pools[0].backends.allSatisfy { $0.connectionsMax == nil })
    }

    @Test("each limit is read as its own: a backend's must not limit the process")
    func written() throws {
        let text = goodFile.replacing("control:", with: "connections-max: 7\ncontrol:")
            .replacing("pool: web\n", with: "pool: web\n    connections-max: 6\n").replacing("weight: 2", with: "weight: 2, connections-max: 5")
        let configuration = try load(text)
        #expect(configuration.connectionsMax == 7)
        #expect(configuration.listeners[0].connectionsMax == 6)
        #expect(configuration.pools[0].backends.map(\.connectionsMax) == [nil, 5])
    }

    @Test("a limit of none would serve nobody, and words are no numbers", arguments: ["0", "-1", "many", "1.5"])
    func impossible(value: String) {
        #expect(errors(changed("weight: 2", "connections-max: \(value)")) == [
            "lb.yaml:12:52: 'connections-max' of backend 'web/b' is '\(value)'; write a whole number from 1 to 1000000"
        ])
    }

    @Test("a queue has its length and its patience")
    func queue() throws {
        let pool = { (line: String) in try load(changed("idle-timeout: 30m", line)).pools[0].whenFull }
        #expect(try pool("when-full: queue") == .queue(lengthMax: 1024, timeout: .seconds(5)))
        #expect(try pool("when-full: queue\n    queue: { length-max: 3, timeout: 250ms }") == .queue(lengthMax: 3, timeout: .milliseconds(250)))
        #expect(try pool("queue: { length-max: 1024 }") == .refuse, "a default that is written out asks for nothing")
    }

    @Test("a queue in which nobody will ever wait is a mistake")
    func queueOfARefusingPool() {
        #expect(errors(changed("idle-timeout: 30m", "queue: { length-max: 3, timeout: 9s }")) == [
            "lb.yaml:8:14: 'length-max' of 'queue' of pool 'web' goes with when-full: queue and when-full is refuse; write when-full: queue, or take 'queue' out",
            "lb.yaml:8:29: 'timeout' of 'queue' of pool 'web' goes with when-full: queue and when-full is refuse; write when-full: queue, or take 'queue' out",
        ])
        #expect(errors(changed("idle-timeout: 30m", "when-full: wait")).count == 1)
    }
}
