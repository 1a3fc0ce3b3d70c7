// Whom a listener of the configuration file serves, and whose PROXY headers it believes.
import Model

extension Loader {
    mutating func listenerRules(_ listener: SectionReader, bind: Endpoint?) -> ListenerRules? {
        let acceptProxy = acceptProxy(listener)
        let allow = listener.value(Declared.allow, &findings)
        let deny = listener.value(Declared.deny, &findings)
        let arrivals = arrivals(listener)
        guard let acceptProxy, let allow, let deny else { return nil }
        let rules = ListenerRules(acceptProxy: acceptProxy, allow: allow, deny: deny, arrivals: arrivals)
        if case .unix = bind { refuseRulesOfUnix(listener, rules) }
        return rules
    }

    private mutating func acceptProxy(_ listener: SectionReader) -> ListenerRules.AcceptProxy? {
        let word = listener.value(Declared.acceptProxy, &findings)
        let trusted = listener.value(Declared.trusted, &findings)
        let timeout = listener.value(Declared.proxyTimeout, &findings)
        switch word {
        case nil: return nil
        case .some(.none):
            refuse([Declared.trusted.name], of: listener) { name in
                "goes with accept-proxy: v1v2; write that too, or take '\(name)' out"
            }
            if timeout != nil {
                refuseIdle(Declared.proxyTimeout, in: listener, why: "goes with accept-proxy: v1v2; write that too, or take it out")
            }
            return .no
        case .v1v2:
            if let trusted, let timeout { return .required(trusted: trusted, timeout: timeout) }
            if listener.entry(Declared.trusted.name) == nil {
                // Headers from anybody would let anybody be anybody.
                let place = listener.entry(Declared.acceptProxy.name)?.value.place ?? listener.place
                findings.add(
                    place,
                    "\(listener.phrase(Declared.acceptProxy.name)) is v1v2, which needs 'trusted'; add trusted: and the networks of the proxies in front, such as [10.0.0.0/8]")
            }
            return nil
        }
    }

    /// A Unix socket's clients have no address to judge. Defaults that are written out judge nobody.
    private mutating func refuseRulesOfUnix(_ listener: SectionReader, _ rules: ListenerRules) {
        let idle = ListenerRules()
        let written = [
            (Declared.acceptProxy.name, rules.acceptProxy == idle.acceptProxy), (Declared.allow.name, rules.allow == idle.allow),
            (Declared.deny.name, rules.deny == idle.deny), (Declared.sourceConnectionsMax.name, false), (Declared.sourceRate.name, false),
        ]
        refuse(written.filter { !$0.1 }.map(\.0), of: listener) { name in
            "judges addresses and clients of a Unix socket have none; take '\(name)' out, the folder's mode says who may connect"
        }
    }

    private mutating func refuse(_ names: [String], of listener: SectionReader, why: (_ name: String) -> String) {
        for name in names {
            guard let entry = listener.entry(name) else { continue }
            findings.add(entry.place, idle: name, "\(listener.phrase(name)) \(why(name))")
        }
    }
}
