// Bytes that go through the kernel's pipes: when they do, when they must not, and what is left of the pipes.
import Glibc
import Model
import Testing

@Suite(.lab) struct Splice {
    let lab = Lab.current

    /// What tests force, they must get: else the path under test is not the one that runs.
    @Test("a conversation borrows a pipe only where the pool says splice: on, and gives it back", arguments: ["auto", "on", "off"])
    func conversation(mode: String) throws {
        let balancer = try Balancer(lab, ConfigurationText([("web-1", try TestServer.echo(lab))], ["splice: \(mode)"]))
        let before = try pipes(of: balancer)
        let client = try balancer.connect()
        var pipesSeen = before
        // Longer than a tick of the wheel, which takes pipes back from the quiet.
        let end = ContinuousClock.now + .milliseconds(500)
        while ContinuousClock.now < end {
            try client.send("ping")
            #expect(try client.receive(exactly: 4) == Array("ping".utf8))
            pipesSeen = max(pipesSeen, try pipes(of: balancer))
        }
        if mode == "on" { #expect(pipesSeen > before) } else { #expect(pipesSeen == before) }
        try eventually(within: .seconds(5), "the pipes of a connection gone quiet to be closed") { try pipes(of: balancer) == before }
    }

    @Test("bulk is spliced but where the pool says splice: off; killed in the middle, it leaves no pipe", arguments: ["auto", "on", "off"])
    func bulk(mode: String) throws {
        let block = [UInt8](repeating: 0x44, count: 1 << 20)
        let server = try TestServer(lab) { peer in for _ in 0..<64 { try peer.send(block) } }
        let balancer = try Balancer(lab, ConfigurationText([("web-1", server)], ["splice: \(mode)"]))
        let before = try pipes(of: balancer)
        let readers = try (0..<4).map { _ in try balancer.connect() }
        for reader in readers { _ = try reader.receive(exactly: 8 << 20) }
        // Nobody reads on: where there are pipes, they are full.
        if mode == "off" {
            #expect(try pipes(of: balancer) == before)
        } else {
            try eventually(within: .seconds(5), "a pipe for each stream") { try pipes(of: balancer) == before + 8 }
        }
        for reader in readers { reader.reset() }
        try balancer.backend("web-1") { $0.connections == 0 }
        try eventually(within: .seconds(5), "all pipes to be closed") { try pipes(of: balancer) == before }
    }

    /// Class 4: with pipes gone the stream goes on by copying, and says no wrong byte.
    @Test("pipes that run out: the bytes are copied, also with splice: on")
    func runningOut() throws {
        let content = try Content.random(4 << 20)
        let server = try TestServer(lab) { peer in
            let question = try peer.receive(exactly: content.count)
            #expect(question == content)
            try peer.send(question)
        }
        // Of 64 descriptors none is spared for as many pipes as there are directions.
        let balancer = try Balancer(lab, ConfigurationText([("web-1", server)], ["splice: on"]), prelude: "ulimit -n 64")
        let before = try pipes(of: balancer)
        let endpoint = try balancer.endpoint()
        let answers = try concurrently(12) { _ in
            let client = try Peer(connecting: endpoint)
            try client.send(content)
            let (bytes, ending) = try client.toEnd()
            return bytes == content && ending == .end
        }
        #expect(answers.allSatisfy { $0 })
        try eventually(within: .seconds(5), "all pipes to be closed") { try pipes(of: balancer) == before }
    }

    /// Ends of pipes; some come with its start.
    private func pipes(of balancer: Balancer) throws -> Int {
        try ProcessTable.descriptorKinds(balancer.process)["pipe"] ?? 0
    }
}
