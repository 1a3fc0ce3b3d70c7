// How a pool's backends are watched, from the configuration file: the check and what goes with it, its pace, its effects.
import Model

extension Loader {
    mutating func health(_ pool: SectionReader) -> HealthConfiguration? {
        guard let section = pool.open(Declared.health, &findings) else { return nil }
        let check = check(section)
        let interval = section.value(Declared.interval, &findings)
        let fastInterval = section.value(Declared.fastInterval, &findings)
        let jitter = section.value(Declared.jitter, &findings)
        let timeout = section.value(Declared.timeout, &findings)
        let rise = section.value(Declared.rise, &findings)
        let fall = section.value(Declared.fall, &findings)
        let whenDown = section.value(Declared.whenDown, &findings)
        let passive = passive(section)
        guard let check, let interval, let fastInterval, let jitter, let timeout, let rise, let fall, let whenDown, let passive
        else { return nil }
        return HealthConfiguration(
            check: check, interval: interval, fastInterval: fastInterval, jitter: jitter, timeout: timeout, rise: rise, fall: fall,
            passive: passive.value, whenDown: whenDown)
    }

    private mutating func passive(_ health: SectionReader) -> Given<PassiveHealth>? {
        guard let section = health.open(Declared.passive, &findings) else { return nil }
        let failures = section.value(Declared.passiveFailures, &findings)
        let within = section.value(Declared.passiveWithin, &findings)
        guard let failures, let within else { return nil }
        return Given(value: failures == 0 ? nil : PassiveHealth(failures: failures, within: within))
    }

    private mutating func check(_ health: SectionReader) -> HealthConfiguration.Check? {
        let word = health.value(Declared.check, &findings)
        let banner = banner(health)
        let http = http(health)
        let command = health.value(Declared.checkCommand, &findings)
        guard let word else { return nil }
        refuseIdle(health, with: word)
        switch word {
        case .none: return HealthConfiguration.Check.none
        case .connect: return .connect
        case .banner: return required(banner, Declared.expect, "expect: and how a good backend's words begin", word, health)
        case .http: return http
        case .command:
            let check = command.map { HealthConfiguration.Check.command($0) }
            return required(check, Declared.checkCommand, "command: and a list of program and arguments", word, health)
        }
    }

    private mutating func banner(_ health: SectionReader) -> HealthConfiguration.Check? {
        let expect = health.value(Declared.expect, &findings)
        let send = health.optional(Declared.send, &findings)
        let match = health.value(Declared.match, &findings)
        guard let expect, let send, let match else { return nil }
        return .banner(send: send.value, expect: expect, match: match)
    }

    private mutating func http(_ health: SectionReader) -> HealthConfiguration.Check? {
        let path = health.value(Declared.path, &findings)
        let host = health.optional(Declared.host, &findings)
        let statuses = health.value(Declared.status, &findings)
        let body = health.optional(Declared.body, &findings)
        guard let path, let host, let statuses, let body else { return nil }
        return .http(HTTPRequest(path: path, host: host.value, statuses: statuses, body: body.value))
    }

    /// The check, or what is missing for it.
    private mutating func required<Value>(
        _ check: HealthConfiguration.Check?, _ option: Option<Value>, _ advice: String, _ word: CheckWord, _ health: SectionReader
    ) -> HealthConfiguration.Check? {
        if check == nil, health.entry(option.name) == nil {
            let place = health.entry(Declared.check.name)?.value.place ?? health.place
            findings.add(place, "\(health.phrase(Declared.check.name)) is \(word.rawValue), which needs '\(option.name)'; add \(advice)")
        }
        return check
    }

    /// What goes with another check does nothing.
    private mutating func refuseIdle(_ health: SectionReader, with word: CheckWord) {
        if word != .banner {
            refuseIdle(Declared.expect, .banner, health, word)
            refuseIdle(Declared.send, .banner, health, word)
            refuseIdle(Declared.match, .banner, health, word)
        }
        if word != .http {
            refuseIdle(Declared.path, .http, health, word)
            refuseIdle(Declared.host, .http, health, word)
            refuseIdle(Declared.status, .http, health, word)
            refuseIdle(Declared.body, .http, health, word)
        }
        if word != .command { refuseIdle(Declared.checkCommand, .command, health, word) }
    }

    /// A default that is written out is no wish for it.
    private mutating func refuseIdle<Value>(_ option: Option<Value>, _ owner: CheckWord, _ health: SectionReader, _ word: CheckWord) {
        guard let entry = health.entry(option.name) else { return }
        if case .means(let written) = option.absence, case .scalar(let text, _) = entry.value.content, text == written { return }
        findings.add(
            entry.place, idle: health.key(option.name),
            "\(health.phrase(option.name)) goes with check: \(owner.rawValue) and the check is \(word.rawValue); write check: \(owner.rawValue), or take '\(option.name)' out")
    }
}
