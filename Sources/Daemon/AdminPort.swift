// The admin address: a listener of lbd's own, before the pages that lbd itself answers.
//
// libevent's HTTP server bounds neither connections nor time. So it listens on a private Unix socket alone, and the admin
// address is a listener like all others, whose pool has that socket as its one backend: what protects clients' traffic
// protects this too. Neither is in any table of what was configured, and its connections take nobody's tickets.
import ControlProtocol
import EventLoop
import Glibc
import Logging
import Model
import Proxy
import SystemCalls

@ControlPlane final class AdminPort {
    /// Its numbers, which no listener, pool or backend of the configuration gets.
    nonisolated static let listener = 0
    nonisolated static let pool = 0
    nonisolated static let slot = 0
    /// From accept to end, whatever the client does: one that sends a byte now and then holds its place no longer. Where all
    /// places are taken, who has not asked yet loses it to who comes (see Proxy/OwnClients).
    private static let lifetime = Duration.seconds(10)
    private static let headersMax = 8 * 1024
    /// Accepted a second in the long run: each that asks costs the control plane some 50 microseconds.
    private static let connectsPerSecond = 1000
    private static let placesMost = 1100
    private static let backlog = 4096
    /// Pages and metrics on their way at once: megabytes each for thousands of backends.
    private static let answersMost = 64

    private let plane: DataPlane
    private let folder: String
    private let logger: Logger
    private var server: HTTPServer?
    /// As configured, and with the port that the kernel chose; nil: nobody listens.
    private var address: (configured: Endpoint, bound: Endpoint)?
    /// Its listener and its pool are known to the workers, if only as closed.
    private var isKnown = false
    /// Who answers. Set before the first `prepare`.
    var pages: AdminPages!

    init(plane: DataPlane, stateDirectory: String, logger: Logger) {
        (self.plane, self.logger) = (plane, logger)
        folder = Files.resolve("admin", in: stateDirectory)
    }

    private var path: String { Files.resolve("http.sock", in: folder) }

    // MARK: Room

    /// At once. Each that has asked takes three descriptors: the client's, ours to the private socket, and that one's.
    private static func connectionsMax(descriptorLimit: Int) -> Int { max(4, min(placesMost, descriptorLimit / 16)) }

    /// What all its places take: clients' connections leave it so many.
    static func descriptors(workers: Int, descriptorLimit: Int) -> Int { workers + 1 + 3 * connectionsMax(descriptorLimit: descriptorLimit) }

    /// Clients that read nothing of them leave places for the others.
    private var answersMax: Int { min(AdminPort.answersMost, AdminPort.connectionsMax(descriptorLimit: plane.descriptorLimit) / 2) }

    var descriptors: Int {
        address == nil ? 0 : AdminPort.descriptors(workers: plane.workerCount, descriptorLimit: plane.descriptorLimit)
    }

    // MARK: Changes

    /// What a change needs of the kernel: tried before anything changes.
    enum Prepared {
        case open(Endpoint, ListenerSockets)
        case closed
    }

    /// The address that is left when this one holds; nil: none.
    func leaving(for new: Endpoint?) -> Endpoint? { new == address?.configured ? nil : address?.bound }

    /// Nil: nothing changes. `leaving`: addresses of listeners that the same change closes.
    func prepare(_ new: Endpoint?, leaving: [Endpoint]) throws(Failure) -> Prepared? {
        guard new != address?.configured else { return nil }
        guard let new else { return .closed }
        do throws(SystemError) {
            if server == nil { server = try serve() }
            let leaving = leaving + [address?.bound].compactMap { $0 }
            return .open(new, try plane.openSockets(
                new, backlog: AdminPort.backlog, tcp: TCPOptions(), replacing: leaving.contains { $0.overlaps(new) }))
        } catch {
            throw Failure(.failed, "admin: \(error.description)")
        }
    }

    /// The change does not take place.
    func abandon(_ prepared: Prepared?) {
        guard case .open(_, let sockets) = prepared else { return }
        tellFailure { () throws(SystemError) in try sockets.close() }
    }

    /// Nothing of it fails. `listeners`: where there are others now.
    func change(to prepared: Prepared, beside listeners: [Endpoint]) {
        let old = address
        switch prepared {
        case .closed:
            _ = plane.close(listener: AdminPort.listener)
            address = nil
            logger.info("admin: closed")
        case .open(let configured, let sockets):
            tellFailure { () throws(SystemError) in try sockets.takePlace() }
            listen(on: sockets)
            address = (configured, sockets.endpoint)
            logger.info("admin: status page, /metrics, /healthz and /readyz at \(sockets.endpoint.asURL)")
        }
        pages.checksHost = address?.bound.isLoopback ?? false
        guard let old = old?.bound, case .unix(let path) = old, old != address?.bound, !listeners.contains(old) else { return }
        tellFailure { () throws(SystemError) in try Files.remove(path) }
    }

    private func listen(on sockets: ListenerSockets) {
        let most = AdminPort.connectionsMax(descriptorLimit: plane.descriptorLimit)
        var rules = ListenerRules()
        rules.arrivals = ArrivalLimits(rate: ConnectionRate(perSecond: AdminPort.connectsPerSecond, burst: AdminPort.placesMost))
        if isKnown {
            plane.change(listener: AdminPort.listener, to: sockets, pool: AdminPort.pool, connectionsMax: most, rules: rules)
        } else {
            isKnown = true
            plane.publish(routing, pool: AdminPort.pool)
            plane.listen(AdminPort.listener, on: sockets, pool: AdminPort.pool, connectionsMax: most, rules: rules)
        }
    }

    private var routing: PoolRouting {
        PoolRouting(
            balance: .roundRobin,
            timeouts: PoolTimeouts(
                connect: .seconds(2), idle: AdminPort.lifetime, halfClosed: AdminPort.lifetime, stalled: AdminPort.lifetime,
                lifetime: Lifetime(longest: AdminPort.lifetime, jitter: 0)),
            connectRetries: 0, transport: PoolTransport(splice: .off),
            targets: [.init(slot: AdminPort.slot, address: .unix(path: path), weight: 1)])
    }

    /// In a folder that only lbd's own user may enter.
    private func serve() throws(SystemError) -> HTTPServer {
        guard path.utf8.count <= Endpoint.unixPathBytesMax else { throw SystemError("bind", ENAMETOOLONG, on: path) }
        try Files.makeFolder(folder, mode: 0o700)
        let socket = try Sockets.bindUnix(path, mode: 0o600)
        // Those whose client has left wait there too: no more than that are accepted at once.
        try Sockets.listen(socket.number, backlog: AdminPort.connectionsMax(descriptorLimit: plane.descriptorLimit))
        let (pages, logger): (AdminPages, Logger) = (pages, logger)
        return try HTTPServer(
            on: socket, .init(headersMax: AdminPort.headersMax, idleTimeout: AdminPort.lifetime, answersMax: answersMax),
            .init(atOnce: { pages.answerAtOnce($0) }, later: { await pages.answer($0) }, busy: AdminPages.busy, headers: AdminPages.headers)
        ) { logger.warning("admin: who asks waits, as \($0); lbd tries again every 100 ms. Descriptors: raise LimitNOFILE= or ulimit -n") }
    }

    private func tellFailure(_ action: () throws(SystemError) -> Void) {
        do throws(SystemError) { try action() } catch { logger.error("admin: \(error)") }
    }

    /// With lbd's end. The listener goes with the others' workers.
    func close() {
        guard let server else { return }
        server.close()
        (self.server, pages) = (nil, nil)
        tellFailure { () throws(SystemError) in
            try Files.remove(path)
            if case .unix(let path) = address?.bound { try Files.remove(path) }
        }
    }
}

extension Endpoint {
    /// Only this host's own programs connect here.
    fileprivate var isLoopback: Bool {
        switch self {
        case .ipv4(let address, _): address >> 24 == 127
        case .ipv6(let groups, _): groups.description == "::1"
        case .unix: false
        }
    }

    fileprivate var asURL: String {
        switch self {
        case .ipv4, .ipv6: "http://\(self)/"
        case .unix: description
        }
    }
}
