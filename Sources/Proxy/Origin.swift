// Who the client is: asked of a proxy in front of us by its PROXY header, told to the backend by ours.
//
// While a header is awaited the client's socket is watched and its bytes so far are the flow's leftover; both end
// with the header, so that from the connect on everything is as without one. Nothing of the client's address is
// kept: our own header is written as soon as the client's is known, and then it is the first of the first bytes.
import Decisions
import Model
import SystemCalls

/// Why a client of a listener with accept-proxy was cut off.
package enum HeaderRefusal: Equatable, Sendable, CustomStringConvertible {
    case fault(ProxyFault)
    case untrusted, timedOut, ended

    package var description: String {
        switch self {
        case .fault(let fault): fault.description
        case .untrusted: "not in a trusted network"
        case .timedOut: "no whole PROXY header came in time"
        case .ended: "the peer ended within the PROXY header"
        }
    }
}

extension ConnectionHandle {
    /// The first wait of a connection where proxies are in front: for their word on who the client is.
    func awaitHeader() {
        record.phase = .awaitingHeader
        record.lastActivity = worker.now()
        readHeader(endInSight: false)
        guard case .awaitingHeader = record.phase else { return }
        guard watch(.client) else { return close(.outOfResources) }
        worker.fileDeadline(of: self)
    }

    /// There is more of it, or the end.
    func readHeader(endInSight: Bool) {
        // The time is for the whole header: whoever sends a byte now and then is looked at here, not by the wheel.
        guard worker.now() < deadline else { return refuseHeader(.timedOut) }
        let count = readFurther(endInSight: endInSight)
        switch worker.state.readBuffer.withBytes(count, ProxyHeader.read) {
        case .needsMore: keepHeader(count)
        case .header(let origin, let length): headerArrived(origin, length: length, of: count)
        case .invalid(let fault): refuseHeader(.fault(fault))
        }
    }

    private func keepHeader(_ count: Int) {
        switch record.toBackend.sourceEnd {
        case .open: keepFirst(count)
        case .reset: close(.passedReset(by: .client))
        case .finished where count == 0:
            // A connect and a close: the proxy in front asked whether we are there.
            close(.finished(first: .client, last: .client))
        case .finished: refuseHeader(.ended)
        }
    }

    func refuseHeader(_ refusal: HeaderRefusal) {
        let peer = Sockets.peerAddress(of: record.client.descriptor)
        worker.reportRefused(refusal, listener: record.listener, peer: peer)
        close(.badHeader)
    }

    private func headerArrived(_ origin: ProxyOrigin, length: Int, of count: Int) {
        // While a connect is under way the client goes unwatched; what it sends is an edge when it is watched again.
        unwatch(.client)
        if case .known(let source, _) = origin { record.row.set(client: source) }
        let client = client(origin)
        let gate = worker.gate(of: record.listener)
        if gate.judges {
            guard let client, gate.admits(client) else { return close(.denied) }
        }
        guard isWithinLimits(client) else { return }
        followDiverts()
        noteSource(client)
        record.phase = .connecting
        record.readAhead = count - length
        record.announced = worker.route(of: record.pool).header.sendProxy
        reachBackend(firstBytes(of: count, with: ProxyAnnouncement(origin, as: record.announced), insteadOf: length))
    }

    /// For the choice of a backend, where it goes by the client.
    func noteSource(_ client: IPAddress?) {
        guard let client, worker.route(of: record.pool).header.balance == .sourceHash else { return }
        record.sourceHash = ClientHash.of(client)
    }

    /// Of a connection that the proxy made for itself, the proxy is the client.
    private func client(_ origin: ProxyOrigin) -> IPAddress? {
        switch origin {
        case .known(let source, _): source.address
        case .unknown: Sockets.peerAddress(of: record.client.descriptor)?.address
        }
    }

    /// What the backend is told where nobody is in front of us. `peer` is nil for a Unix socket's client.
    func announcement(of peer: IPEndpoint?, as version: SendProxy) -> ProxyAnnouncement {
        ProxyAnnouncement(origin(of: peer), as: version)
    }

    func origin(of peer: IPEndpoint?) -> ProxyOrigin {
        guard let peer, let local = worker.gate(of: record.listener).local ?? Sockets.localAddress(of: record.client.descriptor)
        else { return .unknown }
        return .known(source: peer, destination: local)
    }
}

extension WorkerHandle {
    func reportRefused(_ refusal: HeaderRefusal, listener: Int, peer: IPEndpoint?) {
        guard let besides = state.refusals[listener].next((peer, refusal), now: now()) else { return oweReport() }
        report(.headerRefused(listener: listener, peer: peer, refusal, besides: besides))
    }
}
