// One random change of a configuration, of the kinds that operators make, valid whatever was there before.
import Model
import TestSupport

struct RandomChanges: Sendable {
    private let addresses: [Endpoint]
    private var random: SeededGenerator
    /// Half of the removals do not wait.
    let isHasty: Bool

    init(at addresses: [Endpoint], seed: UInt64) {
        self.addresses = addresses
        random = SeededGenerator(seed: seed)
        isHasty = Bool.random(using: &random)
    }

    mutating func make(in configuration: inout BalancerConfiguration) throws {
        for _ in 0..<Int.random(in: 1...4, using: &random) { try makeOne(in: &configuration) }
        changeOutages(of: &configuration.pools)
    }

    private mutating func makeOne(in configuration: inout BalancerConfiguration) throws {
        switch Int.random(in: 0..<8, using: &random) {
        case 0: try addPool(to: &configuration)
        case 1: removePool(from: &configuration)
        case 2, 3: try changeBackends(of: &configuration.pools[index(configuration.pools)])
        case 4: changeOptions(of: &configuration.pools[index(configuration.pools)])
        case 5: try addListener(to: &configuration)
        case 6:
            if configuration.listeners.count > 1 { configuration.listeners.remove(at: index(configuration.listeners)) }
        default:
            let pool = configuration.pools[index(configuration.pools)].name
            changeListener(&configuration.listeners[index(configuration.listeners)], pool)
        }
    }

    private mutating func index(_ row: [some Any]) -> Int { Int.random(in: 0..<row.count, using: &random) }

    private mutating func addPool(to configuration: inout BalancerConfiguration) throws {
        let name = ["a", "b", "c", "d", "e"][Int.random(in: 0..<5, using: &random)]
        guard !configuration.pools.contains(where: { $0.name.text == name }) else { return }
        configuration.pools.append(try pool(name, [addresses[index(addresses)]]))
    }

    /// Its listeners go with it, or to another one.
    private mutating func removePool(from configuration: inout BalancerConfiguration) {
        guard configuration.pools.count > 1 else { return }
        let removed = configuration.pools.remove(at: index(configuration.pools)).name
        for index in configuration.listeners.indices where configuration.listeners[index].pool == removed {
            configuration.listeners[index].pool = configuration.pools[self.index(configuration.pools)].name
        }
    }

    private mutating func changeBackends(of pool: inout PoolConfiguration) throws {
        let name = "\(Int.random(in: 1...6, using: &random))"
        let new = try backend(name, addresses[index(addresses)])
        if let index = pool.backends.firstIndex(where: { $0.name.text == name }) {
            if Bool.random(using: &random) { pool.backends[index].address = new.address } else if pool.backends.count > 1 { pool.backends.remove(at: index) }
        } else {
            pool.backends.append(new)
        }
    }

    private mutating func changeOptions(of pool: inout PoolConfiguration) {
        pool.balance = Balance.allCases[Int.random(in: 0..<5, using: &random)]
        pool.whenFull = Bool.random(using: &random) ? .refuse : .queue(lengthMax: 8, timeout: .milliseconds(200))
        let most = Bool.random(using: &random) ? 1 : nil as Int?
        for index in pool.backends.indices { pool.backends[index].connectionsMax = most }
        pool.health = HealthConfiguration(
            check: Bool.random(using: &random) ? .none : .connect, interval: .milliseconds(200), timeout: .seconds(1), rise: 1, fall: 1)
    }

    /// Diverts lead to pools further down the list: none goes round.
    private mutating func changeOutages(of pools: inout [PoolConfiguration]) {
        for index in pools.indices {
            switch Int.random(in: 0..<4, using: &random) {
            case 0: pools[index].whenNone = .hold(lengthMax: 6, timeout: .milliseconds(150))
            case 1 where index + 1 < pools.count:
                pools[index].whenNone = .divert(pools[Int.random(in: index + 1..<pools.count, using: &random)].name)
            default: pools[index].whenNone = .refuse
            }
        }
    }

    private mutating func addListener(to configuration: inout BalancerConfiguration) throws {
        let name = "l\(Int.random(in: 1...4, using: &random))"
        guard !configuration.listeners.contains(where: { $0.name.text == name }) else { return }
        configuration.listeners.append(try listener(name, pool: configuration.pools[index(configuration.pools)].name.text, bind: bind()))
    }

    /// Port 0 of another address is another socket.
    private mutating func bind() -> Endpoint { .ipv4(0x7F00_0001 + UInt32.random(in: 0...3, using: &random), port: 0) }

    private mutating func changeListener(_ listener: inout ListenerConfiguration, _ pool: PoolName) {
        switch Int.random(in: 0..<5, using: &random) {
        case 0: listener.pool = pool
        case 1: listener.bind = bind()
        case 2: listener.connectionsMax = Bool.random(using: &random) ? 2 : nil
        case 3: listener.rules.arrivals = ArrivalLimits(sourceConnectionsMax: Bool.random(using: &random) ? 3 : nil)
        default: listener.backlog = Int.random(in: 100...1000, using: &random)
        }
    }
}
