// What a listener and a pool of the configuration file ask of TCP and the kernel.
import Model

extension Loader {
    mutating func transport(_ pool: SectionReader) -> PoolTransport? {
        let splice = pool.value(Declared.splice, &findings)
        let source = pool.value(Declared.source, &findings)
        let tcp = tcpOptions(pool)
        guard let splice, let tcp else { return nil }
        return PoolTransport(splice: splice, source: source, tcp: tcp)
    }

    /// `bind`: of a listener; a Unix socket knows none of it.
    mutating func tcpOptions(_ owner: SectionReader, bind: Endpoint? = nil) -> TCPOptions? {
        let keepalive = keepalive(owner)
        let userTimeout = owner.value(Declared.userTimeout, &findings)
        guard let keepalive, let userTimeout else { return nil }
        let options = TCPOptions(keepalive: keepalive, userTimeout: userTimeout == .zero ? nil : userTimeout)
        if case .unix = bind { refuseOfUnix(owner, options) }
        return options
    }

    /// Nil after an error; of a value, nil is no keepalive.
    private mutating func keepalive(_ owner: SectionReader) -> Keepalive?? {
        guard let section = owner.open(Declared.keepalive, &findings) else { return nil }
        let idle = section.value(Declared.keepaliveIdle, &findings)
        let interval = section.value(Declared.keepaliveInterval, &findings)
        let count = section.value(Declared.keepaliveCount, &findings)
        guard let idle, let interval, let count else { return nil }
        if idle == .zero {
            let why = "goes with idle, without which there are no probes; write idle: and how long, or take it out"
            refuseIdle(Declared.keepaliveInterval, in: section, why: why)
            refuseIdle(Declared.keepaliveCount, in: section, why: why)
        }
        return .some(idle == .zero ? nil : Keepalive(idle: idle, interval: interval, count: count))
    }

    private mutating func refuseOfUnix(_ owner: SectionReader, _ options: TCPOptions) {
        for (name, isAsked) in [(Declared.keepalive.name, options.keepalive != nil), (Declared.userTimeout.name, options.userTimeout != nil)] {
            guard isAsked, let entry = owner.entry(name) else { continue }
            findings.add(entry.place, "\(owner.phrase(name)) is TCP's, and a Unix socket has none; take '\(name)' out")
        }
    }

    /// Whose backends all have Unix sockets asks nothing of TCP.
    mutating func checkTCP(_ options: TCPOptions?, _ pool: SectionReader, _ backends: [BackendConfiguration]?) {
        guard let options, let backends, !backends.isEmpty, backends.allSatisfy({ IPAddress($0.address) == nil }) else { return }
        refuseOfUnix(pool, options)
    }

    /// An address that no backend can be reached from is a slip of the pen.
    mutating func checkSource(_ source: IPAddress?, _ pool: SectionReader, _ backends: [BackendConfiguration]?) {
        guard let source, let backends, !backends.isEmpty, let place = pool.entry(Declared.source.name)?.value.place,
            !backends.contains(where: { IPAddress($0.address)?.family == source.family })
        else { return }
        findings.add(
            place, "\(pool.phrase(Declared.source.name)) is \(source), and no backend has an address of its family; write one of the backends' family, or take 'source' out")
    }
}
