// A whole lbd inside the test process, changed by values: what commands and files come to in the end.
import CLinux
import ControlProtocol
import EventLoop
import Glibc
import Logging
import Model
import Proxy
import Statistics
import SystemCalls
import TestSupport
import Testing

@testable import Configuration
@testable import Daemon

@ControlPlane final class DaemonUnderTest {
    let daemon: Daemon
    private let folder: TemporaryFolder
    private let running: Task<Int32, any Error>
    /// What is written here arrives as a signal.
    private let signals: Descriptor

    /// Runs `body` beside a daemon of this configuration; both ends of every test go through here.
    nonisolated static func with(
        _ configuration: @escaping @Sendable (_ folder: String) throws -> BalancerConfiguration,
        _ body: @Sendable @concurrent (DaemonUnderTest) async throws -> Void
    ) async throws {
        try await onThread {
            let lbd = try await onLoop { try DaemonUnderTest(configuration) }
            do {
                try await onLoop { try await lbd.waitUntil("the listeners are open") { !lbd.daemon.listeners.open.isEmpty } }
                try await body(lbd)
            } catch {
                Issue.record(error)
            }
            let status = try await onLoop { try await lbd.stop() }
            #expect(status == 0)
        }
    }

    private init(_ configuration: (String) throws -> BalancerConfiguration) throws {
        folder = try TemporaryFolder()
        var ends: [Int32] = [0, 0]
        guard pipe2(&ends, O_NONBLOCK | O_CLOEXEC) == 0 else { throw SystemError("pipe2", errno) }
        signals = Descriptor(owning: ends[1])
        let logger = Logger(label: "lbd", factory: { _ in SwiftLogNoOpLogHandler() })
        let value = try configuration(folder.path)
        // No file: these tests give values, what is written has tests of its own.
        let content = ConfigurationFile.Content(
            bytes: [], loaded: LoadedConfiguration(document: ConfigurationDocument(.emptyMapping, folder: folder.path), configuration: value))
        let daemon = try Daemon(
            try ConfigurationFile(path: folder.path + "/none.yaml"), content, log: try Log(value.log), logger: logger)
        self.daemon = daemon
        let source = SignalSource(owning: Descriptor(owning: ends[0]))
        running = startThrowing { try await daemon.run(source) }
    }

    private func stop() async throws -> Int32 {
        var record = signalfd_siginfo()
        record.ssi_signo = UInt32(SIGINT)
        let count = write(signals.number, &record, MemoryLayout<signalfd_siginfo>.size)
        #expect(count == MemoryLayout<signalfd_siginfo>.size)
        return try await running.value
    }

    // MARK: Changing

    func apply(now: Bool = false, _ edit: (inout BalancerConfiguration) throws -> Void) throws {
        var configuration = daemon.reconfiguration.current
        try edit(&configuration)
        try daemon.reconfiguration.apply(configuration, now: now, by: "amy")
    }

    // MARK: Looking

    func waitUntil(
        _ what: String, at location: SourceLocation = #_sourceLocation, _ isSo: () throws -> Bool
    ) async throws {
        let clock = LoopClock()
        let deadline = clock.now.advanced(by: Patience.limit)
        while try !isSo() {
            guard clock.now < deadline else {
                Issue.record("waited in vain until \(what)", sourceLocation: location)
                throw CancellationError()
            }
            await pause(for: .milliseconds(5))
        }
    }

    /// Everything published is followed, and nothing is on its way out any more.
    func settle(at location: SourceLocation = #_sourceLocation) async throws {
        try await waitUntil("the change has settled", at: location) {
            daemon.plane.settledGeneration == daemon.plane.generation && !daemon.table.pools.contains(where: \.isLosing)
                && daemon.listeners.closing.isEmpty
        }
    }

    /// Slots, pools and listeners that are still to be had.
    var numbersLeft: (Int, Int, Int) { (daemon.table.slots.available, daemon.table.indices.available, daemon.listeners.numbersAvailable) }

    func pool(_ name: String = "a") throws -> Pool { try #require(daemon.table.pool(PoolName(name))) }

    func backend(_ name: String) throws -> Backend { try #require(daemon.table.backend(BackendReference(name))) }

    func status() -> StatusReport {
        StatusReports(table: daemon.table, listeners: daemon.listeners, plane: daemon.plane, events: daemon.events, startedAt: Timestamp(milliseconds: 0), rollouts: daemon.handler.status.rollouts)
            .report(.everything, stopping: false)
    }

    func endpoint(_ listener: String = "a") throws -> Endpoint {
        try #require(daemon.listeners.open.first { $0.configuration.name.text == listener }).endpoint
    }

    func events(_ kind: String) -> [Event.Change] { daemon.events.kept.map(\.change).filter { $0.kind == kind } }
}

/// One listener and one pool for each name in `pools`, called the same.
func configuration(
    in folder: String, workers: Int = 2, _ pools: KeyValuePairs<String, [Endpoint]>, _ edit: (inout BalancerConfiguration) throws -> Void = { _ in }
) throws -> BalancerConfiguration {
    var configuration = BalancerConfiguration(
        control: folder + "/lbd.sock", stateDirectory: folder, stopDeadline: .seconds(1), workers: .exactly(workers),
        log: LogConfiguration(level: .error, format: .text),
        listeners: try pools.map { try listener($0.key) }, pools: try pools.map { try pool($0.key, $0.value) })
    try edit(&configuration)
    return configuration
}

func listener(_ name: String, pool: String? = nil, bind: Endpoint = .ipv4(0x7F00_0001, port: 0)) throws -> ListenerConfiguration {
    ListenerConfiguration(name: try ListenerName(name), bind: bind, pool: try PoolName(pool ?? name), backlog: 1024)
}

/// Backends are called 1, 2, 3.
func pool(_ name: String, _ backends: [Endpoint]) throws -> PoolConfiguration {
    PoolConfiguration(
        name: try PoolName(name), balance: .roundRobin,
        timeouts: PoolTimeouts(connect: .seconds(60), idle: Patience.limit, halfClosed: Patience.limit), connectRetries: 2,
        health: HealthConfiguration(check: .none, interval: .seconds(1), timeout: .seconds(1), rise: 2, fall: 2), drainDeadline: .seconds(5),
        backends: try backends.enumerated().map { try backend("\($0.offset + 1)", $0.element) }, restart: nil)
}

func backend(_ name: String, _ address: Endpoint) throws -> BackendConfiguration {
    BackendConfiguration(name: try BackendName(name), address: address, weight: 1, backup: false, wish: .ready)
}

/// Says its name, then echoes.
func named(_ name: String) throws -> TestBackend {
    try TestBackend { connection in
        try connection.send(name)
        while case .success(let bytes) = connection.receive() { try connection.send(bytes) }
        connection.finish()
    }
}

/// A connection whose backend has said its name, one byte.
func connect(_ endpoint: Endpoint) throws -> (socket: BlockingSocket, backend: String) {
    let client = try BlockingSocket.connect(to: endpoint)
    return (client, String(decoding: client.receive(exactly: 1), as: UTF8.self))
}

/// A byte there and back.
func greet(_ client: BlockingSocket, at location: SourceLocation = #_sourceLocation) throws {
    try client.send("x")
    #expect(client.receive(exactly: 1).count == 1, sourceLocation: location)
}
