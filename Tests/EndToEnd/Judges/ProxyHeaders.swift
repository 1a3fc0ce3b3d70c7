// PROXY headers between lbd and those who defined them: the true client arrives, and the payload behind it whole.
import Model
import Testing

@Suite(.lab) struct ProxyHeaders {
    let lab = Lab.current

    /// One listener and one pool for each receiver.
    private func balancer(
        _ receivers: ProxyReceivers, _ sending: String, workers: Int, family: Family, listener: [String] = []
    ) throws -> Balancer {
        let servers = [("haproxy", receivers.haproxy), ("nginx", receivers.nginx), ("stream", receivers.nginxStream)]
        var configuration = ConfigurationText(backends: [])
        configuration.pools = servers.map { name, server in
            .init(name: name, settings: ["send-proxy: \(sending)"], backends: [("\(name)-1", "\"\(server)\"")])
        }
        configuration.listeners = try servers.map { name, _ in
            .init(name: name, bind: "\(try family.loopback(0))", pool: name, settings: listener)
        }
        configuration.workers = workers
        configuration.stateDirectory = "run-\(workers)"
        return try Balancer(lab, configuration, name: "lbd-\(sending)-\(family)-\(workers)")
    }

    /// The judge judged: what a receiver says of a client that sends its header itself.
    @Test("receivers: without lbd, curl's own header")
    func direct() throws {
        let receivers = try ProxyReceivers(lab)
        let client = AddressClient(lab: lab, flags: ["--haproxy-protocol"])
        for server in [receivers.haproxy, receivers.nginx] {
            let answer = try client.ask(server)
            #expect(answer.body == answer.own)
        }
        #expect(try client.carries(receivers, at: receivers.nginx))
    }

    /// Guards against a header that only our own parser understands, or that names somebody else.
    @Test("receivers: HAProxy and nginx learn the client's address and port", arguments: ["v1", "v2"], Family.internet)
    func receive(sending: String, family: Family) throws {
        let receivers = try ProxyReceivers(lab)
        for workers in Scale.workers {
            let balancer = try balancer(receivers, sending, workers: workers, family: family)
            let client = AddressClient(lab: lab)
            for listener in ["haproxy", "nginx"] {
                let answer = try client.ask(balancer.endpoint(listener))
                #expect(answer.body == answer.own, "\(listener), \(workers) workers")
            }
            #expect(try client.carries(receivers, at: balancer.endpoint("nginx")))
            // Who speaks first is the server here: the header must not wait for the client's words.
            let peer = try balancer.connect("stream")
            let expected = try "\(peer.localEndpoint()) \(balancer.endpoint("stream"))".filter { $0 != "[" && $0 != "]" }
            #expect(try String(decoding: peer.toEnd().bytes, as: UTF8.self) == expected, "nginx stream, \(workers) workers")
            peer.close()
            try balancer.stop()
        }
    }

    /// Guards against headers of others that we read wrongly, and against payload lost behind them.
    @Test("senders: curl's header goes through", arguments: ["v1", "v2"], Family.internet)
    func fromCurl(sending: String, family: Family) throws {
        let receivers = try ProxyReceivers(lab)
        let client = AddressClient(lab: lab, flags: ["--haproxy-protocol"])
        for workers in Scale.workers {
            let balancer = try trusting(receivers, sending, workers, family)
            for listener in ["haproxy", "nginx"] {
                let answer = try client.ask(balancer.endpoint(listener))
                #expect(answer.body == answer.own, "\(listener), \(workers) workers")
            }
            #expect(try client.carries(receivers, at: balancer.endpoint("nginx")))
            try balancer.stop()
        }
    }

    /// HAProxy also checks its server, with headers that name nobody (LOCAL, UNKNOWN): were they refused, it would
    /// take its server for down and answer 503.
    @Test("senders: HAProxy's header goes through, its checks succeed",
        arguments: ["send-proxy", "send-proxy-v2"], Family.internet)
    func fromHAProxy(option: String, family: Family) throws {
        let receivers = try ProxyReceivers(lab)
        let client = AddressClient(lab: lab)
        for workers in Scale.workers {
            let balancer = try trusting(receivers, "v2", workers, .ipv4)
            let server = try balancer.endpoint("nginx")
            let port = try HAProxy.start(lab, "sender-\(workers)") { port in
                """
                listen sender
                    mode tcp
                    bind 127.0.0.1:\(port)
                    bind [::1]:\(port)
                    server lbd \(server) \(option) check inter 50ms
                """
            }.port ?? 0
            try balancer.backend("nginx-1", pool: "nginx") { $0.connectionsTotal >= 5 }
            let front = try family.loopback(port)
            let answer = try client.ask(front)
            #expect(answer.body == answer.own, "\(workers) workers")
            #expect(try client.carries(receivers, at: front))
        }
    }

    private func trusting(_ receivers: ProxyReceivers, _ sending: String, _ workers: Int, _ family: Family) throws -> Balancer {
        let settings = ["accept-proxy: v1v2", "trusted: [127.0.0.0/8, \"::1\"]"]
        return try balancer(receivers, sending, workers: workers, family: family, listener: settings)
    }
}
