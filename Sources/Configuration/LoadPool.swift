// The pools of a configuration file, with their backends, probes and restarts.
import Model

extension Loader {
    mutating func pools(_ file: SectionReader) -> [PoolConfiguration]? {
        guard let entries = file.named(Declared.pools, noun: "pool", &findings) else { return nil }
        var pools: [PoolConfiguration] = []
        for entry in entries {
            if let pool = pool(entry) { pools.append(pool) }
        }
        return pools
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
        let health = health(section)
        let drain = drain(section)
        let backends = backends(section, of: name)
        let restart = restart(section)
        checkSource(transport?.source, section, backends)
        checkTCP(transport?.tcp, section, backends)
        guard let balance, let timeouts, let retries, let sendProxy, let transport, let whenFull, let health, let drain,
            let backends
        else { return nil }
        return PoolConfiguration(
            name: name, balance: balance, timeouts: timeouts, connectRetries: retries, health: health,
            drainDeadline: drain.deadline, backends: backends, restart: restart, sendProxy: sendProxy,
            transport: transport, whenFull: whenFull, drainEnd: drain.end, closeRate: drain.closeRate)
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

    private mutating func drain(_ pool: SectionReader) -> (deadline: Duration, end: DrainEnd, closeRate: Int?)? {
        guard let section = pool.open(Declared.drain, &findings) else { return nil }
        let deadline = section.value(Declared.deadline, &findings)
        let end = section.value(Declared.atDeadline, &findings)
        let closeRate = section.optional(Declared.closeRate, &findings)
        guard let deadline, let end, let closeRate else { return nil }
        return (deadline, end, closeRate.value)
    }

    private mutating func restart(_ pool: SectionReader) -> RestartConfiguration? {
        guard pool.entry(Declared.restart.name) != nil,
            let section = pool.open(Declared.restart, &findings)
        else { return nil }
        let command = section.value(Declared.command, &findings)
        let timeout = section.value(Declared.restartTimeout, &findings)
        guard let command, let timeout else { return nil }
        return RestartConfiguration(command: command, timeout: timeout)
    }
}

// Probes.
extension Loader {
    fileprivate mutating func health(_ pool: SectionReader) -> HealthConfiguration? {
        guard let section = pool.open(Declared.health, &findings) else { return nil }
        let check = check(section)
        let interval = section.value(Declared.interval, &findings)
        let timeout = section.value(Declared.timeout, &findings)
        let rise = section.value(Declared.rise, &findings)
        let fall = section.value(Declared.fall, &findings)
        guard let check, let interval, let timeout, let rise, let fall else { return nil }
        return HealthConfiguration(check: check, interval: interval, timeout: timeout, rise: rise, fall: fall)
    }

    private mutating func check(_ health: SectionReader) -> HealthConfiguration.Check? {
        let word = health.value(Declared.check, &findings)
        let expect = health.value(Declared.expect, &findings)
        let send = health.value(Declared.send, &findings)
        switch word {
        case nil: return nil
        case .some(.none):
            refuseTexts(health, of: .none)
            return HealthConfiguration.Check.none
        case .connect:
            refuseTexts(health, of: .connect)
            return .connect
        case .banner:
            if let expect { return .banner(send: send, expect: expect) }
            if health.entry(Declared.expect.name) == nil {
                let place = health.entry(Declared.check.name)?.value.place ?? health.place
                findings.add(
                    place,
                    "\(health.phrase(Declared.check.name)) is banner, which needs 'expect'; add expect: and how a good backend's words begin")
            }
            return nil
        }
    }

    private mutating func refuseTexts(_ health: SectionReader, of check: CheckWord) {
        for name in [Declared.expect.name, Declared.send.name] {
            guard let entry = health.entry(name) else { continue }
            findings.add(
                entry.place,
                "\(health.phrase(name)) goes with check: banner and the check is \(check.rawValue); write check: banner, or take '\(name)' out")
        }
    }
}

// Backends.
extension Loader {
    fileprivate mutating func backends(_ pool: SectionReader, of poolName: PoolName) -> [BackendConfiguration]? {
        guard let entries = pool.named(Declared.backends, noun: "backend", &findings) else { return nil }
        var taken: [Endpoint: (backend: BackendName, line: Int)] = [:]
        var backends: [BackendConfiguration] = []
        for entry in entries {
            let name: BackendName = name(entry, noun: "backend")
            guard let section = backendSection(entry, subject: "backend '\(poolName)/\(name)'") else { continue }
            let address = section.value(Declared.address, &findings)
            let weight = section.value(Declared.weight, &findings)
            let connectionsMax = section.optional(Declared.backendConnectionsMax, &findings)
            let backup = section.value(Declared.backup, &findings)
            let wish = section.value(Declared.wish, &findings)
            if let address, let place = section.entry(Declared.address.name)?.value.place {
                if let listener = listener(at: address) {
                    findings.add(
                        place,
                        "\(section.subject ?? "") has the address \(address), where listener '\(listener)' of this file listens: it would connect to itself; write a server's address")
                }
                if let first = taken[address] {
                    findings.add(
                        place,
                        "\(section.subject ?? "") has the address \(address) of '\(poolName)/\(first.backend)' in line \(first.line); write its own")
                } else {
                    taken[address] = (name, place.line)
                }
            }
            guard let address, let weight, let connectionsMax, let backup, let wish else { continue }
            backends.append(BackendConfiguration(
                name: name, address: address, weight: weight, connectionsMax: connectionsMax.value, backup: backup, wish: wish))
        }
        return backends
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
