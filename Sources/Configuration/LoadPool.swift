// The pools of a configuration file, with their backends and restarts.
import Model

extension Loader {
    mutating func pools(_ file: SectionReader) -> [PoolConfiguration]? {
        guard let entries = file.named(Declared.pools, noun: "pool", &findings) else { return nil }
        var pools: [PoolConfiguration] = []
        for entry in entries {
            if let pool = known?.pool(entry) {
                recall(pool)
                pools.append(pool)
            } else if let pool = pool(entry) {
                pools.append(pool)
            }
        }
        return pools
    }

    /// What loading the pool again would have noted for the checks across sections.
    private mutating func recall(_ pool: PoolConfiguration) {
        if hasNewListener { checkListeners(of: pool) }
        if case .divert(let other) = pool.whenNone { diverts.append(Divert(pool: pool.name.text, to: other, place: .nowhere)) }
    }

    private mutating func pool(_ entry: YamlNode.Entry) -> PoolConfiguration? {
        let name: PoolName = name(entry, noun: "pool")
        let subject = "pool '\(name)'"
        guard let section = SectionReader(entry.value, as: Declared.pools, subject: subject, key: entry.place, &findings)
        else { return nil }
        let balance = section.value(Declared.balance, &findings)
        let timeouts = timeouts(section)
        let retries = section.value(Declared.connectRetries, &findings)
        let sendProxy = section.value(Declared.sendProxy, &findings)
        let transport = transport(section)
        let whenFull = whenFull(section)
        let whenNone = whenNone(section, of: name)
        let slowStart = section.value(Declared.slowStart, &findings)
        let health = health(section)
        let drain = drain(section)
        let capacity = capacity(section)
        let backends = backends(section, of: name)
        let restart = restart(section)
        checkSource(transport?.source, section, backends)
        checkTCP(transport?.tcp, section, backends)
        guard let balance, let timeouts, let retries, let sendProxy, let transport, let whenFull, let whenNone, let slowStart, let health, let drain,
            let capacity, let backends
        else { return nil }
        return PoolConfiguration(
            name: name, balance: balance, timeouts: timeouts, connectRetries: retries, health: health,
            drainDeadline: drain.deadline, backends: backends, restart: restart, sendProxy: sendProxy,
            transport: transport, whenFull: whenFull, whenNone: whenNone, slowStart: slowStart,
            drainEnd: drain.end, closeRate: drain.closeRate, leaseEnd: drain.leaseEnd, capacity: capacity)
    }

    private mutating func timeouts(_ pool: SectionReader) -> PoolTimeouts? {
        let connect = pool.value(Declared.connectTimeout, &findings)
        let idle = pool.value(Declared.idleTimeout, &findings)
        let halfClosed = pool.value(Declared.halfClosedTimeout, &findings)
        let stalled = pool.value(Declared.stalledTimeout, &findings)
        let lifetime = pool.value(Declared.lifetime, &findings)
        let jitter = pool.value(Declared.lifetimeJitter, &findings)
        guard let connect, let idle, let halfClosed, let stalled, let lifetime, let jitter else { return nil }
        if lifetime == .zero {
            refuseIdle(Declared.lifetimeJitter, in: pool, why: "goes with lifetime, and there is none; write lifetime: and how long, or take it out")
        }
        // Anything shorter would end connections before they have begun.
        if lifetime > .zero, lifetime < .milliseconds(100), let place = pool.entry(Declared.lifetime.name)?.value.place {
            findings.add(place, "\(pool.phrase(Declared.lifetime.name)) is shorter than 100ms; write 0s for none, or 100ms and more")
        }
        return PoolTimeouts(
            connect: connect, idle: idle, halfClosed: halfClosed, stalled: stalled,
            lifetime: lifetime == .zero ? nil : Lifetime(longest: lifetime, jitter: jitter))
    }

    private mutating func whenFull(_ pool: SectionReader) -> WhenFull? {
        let word = pool.value(Declared.whenFull, &findings)
        guard let section = pool.open(Declared.queue, &findings) else { return nil }
        let lengthMax = section.value(Declared.queueLengthMax, &findings)
        let timeout = section.value(Declared.queueTimeout, &findings)
        guard let word, let lengthMax, let timeout else { return nil }
        switch word {
        case .queue: return .queue(lengthMax: lengthMax, timeout: timeout)
        case .refuse:
            let why = "goes with when-full: queue and when-full is refuse; write when-full: queue, or take '\(Declared.queue.name)' out"
            refuseIdle(Declared.queueLengthMax, in: section, why: why)
            refuseIdle(Declared.queueTimeout, in: section, why: why)
            return .refuse
        }
    }

    private mutating func drain(_ pool: SectionReader) -> (deadline: Duration, end: DrainEnd, closeRate: Int?, leaseEnd: LeaseEnd)? {
        guard let section = pool.open(Declared.drain, &findings) else { return nil }
        let deadline = section.value(Declared.deadline, &findings)
        let end = section.value(Declared.atDeadline, &findings)
        let closeRate = section.optional(Declared.closeRate, &findings)
        let leaseEnd = section.value(Declared.leaseEnd, &findings)
        guard let deadline, let end, let closeRate, let leaseEnd else { return nil }
        return (deadline, end, closeRate.value, leaseEnd)
    }
}

// Backends.
extension Loader {
    fileprivate mutating func backends(_ pool: SectionReader, of poolName: PoolName) -> [BackendConfiguration]? {
        guard let entries = pool.named(Declared.backends, noun: "backend", &findings) else { return nil }
        var taken: [Endpoint: (backend: BackendName, place: Place)] = [:]
        var backends: [BackendConfiguration] = []
        for entry in entries {
            if let backend = known?.backend(entry, of: poolName) {
                let subject = "backend '\(poolName)/\(backend.name)'"
                checkAddress(backend.address, of: backend.name, in: poolName, subject, at: .nowhere, &taken)
                backends.append(backend)
                continue
            }
            let name: BackendName = name(entry, noun: "backend")
            guard let section = backendSection(entry, subject: "backend '\(poolName)/\(name)'") else { continue }
            let address = section.value(Declared.address, &findings)
            let weight = section.value(Declared.weight, &findings)
            let connectionsMax = section.optional(Declared.backendConnectionsMax, &findings)
            let backup = section.value(Declared.backup, &findings)
            let capacity = capacity(section)
            let wish = section.value(Declared.wish, &findings)
            if let address, let place = section.entry(Declared.address.name)?.value.place {
                checkAddress(address, of: name, in: poolName, section.subject ?? "", at: place, &taken)
            }
            guard let address, let weight, let connectionsMax, let backup, let wish, let capacity else { continue }
            backends.append(BackendConfiguration(
                name: name, address: address, weight: weight, connectionsMax: connectionsMax.value, backup: backup, wish: wish, capacity: capacity))
        }
        return backends
    }

    private mutating func checkAddress(
        _ address: Endpoint, of name: BackendName, in pool: PoolName, _ subject: String, at place: Place,
        _ taken: inout [Endpoint: (backend: BackendName, place: Place)]
    ) {
        checkListener(at: address, subject, at: place)
        if let first = taken[address] {
            findings.add(
                place, "\(subject) has the address \(address) of '\(pool)/\(first.backend)'\(first.place.inLine); write its own")
        } else {
            taken[address] = (name, place)
        }
    }

    /// Of a pool that is not loaded again: a listener may be new.
    fileprivate mutating func checkListeners(of pool: PoolConfiguration) {
        for backend in pool.backends {
            checkListener(at: backend.address, "backend '\(pool.name)/\(backend.name)'", at: .nowhere)
        }
    }

    private mutating func checkListener(at address: Endpoint, _ subject: @autoclosure () -> String, at place: Place) {
        guard let listener = listener(at: address) else { return }
        findings.add(
            place,
            "\(subject()) has the address \(address), where listener '\(listener)' of this file listens: it would connect to itself; write a server's address")
    }

    /// Of this file: on that address, or on every address of the host and the same port.
    private func listener(at address: Endpoint) -> ListenerName? {
        switch address {
        case .ipv4(let host, let port) where host >> 24 == 127: bound[address] ?? bound[.ipv4(0, port: port)]
        case .ipv4, .ipv6, .unix: bound[address]
        }
    }

    /// `NAME: ADDRESS` is short for `NAME: { address: ADDRESS }`.
    private mutating func backendSection(_ entry: YamlNode.Entry, subject: String) -> SectionReader? {
        var node = entry.value
        if case .scalar = node.content {
            let address = YamlNode.Entry(key: Declared.address.name, place: node.place, value: node)
            node = YamlNode(content: .mapping([address]), place: node.place)
        }
        return SectionReader(node, as: Declared.backends, subject: subject, key: entry.place, &findings)
    }
}
