// A command as an operator writes it, to restart a backend or to check one: words in which placeholders stand for it.

/// Why a command cannot be used, in words that continue "the restart command: …".
package struct TemplateError: Error, Equatable, CustomStringConvertible {
    package let description: String
}

/// Placeholders are filled in inside their word, never split into several: no shell reads the result, so a
/// name or a path with blanks stays one argument.
package struct CommandTemplate: Equatable, Sendable {
    package let words: [String]

    package enum Placeholder: String, CaseIterable, Sendable {
        case pool, backend, address, host, port

        package static var list: String { allCases.map { "{\($0.rawValue)}" }.joined(separator: ", ") }
    }

    private enum Part: Equatable {
        case text(String)
        case placeholder(String)
    }

    package init(_ words: [String]) throws(TemplateError) {
        guard let program = words.first, !program.isEmpty else {
            throw TemplateError(description: "it is empty: write a program and its arguments, such as 'systemctl restart web'")
        }
        guard !words.contains(where: { $0.utf8.contains(0) }) else {
            throw TemplateError(description: "an argument cannot hold a NUL byte")
        }
        self.words = words
        for word in words {
            if let name = CommandTemplate.unclosed(in: word) {
                throw TemplateError(description: "{\(name) is not closed: write {\(name)}")
            }
            for case .placeholder(let name) in CommandTemplate.parts(of: word) where Placeholder(rawValue: name) == nil {
                let nearest = name.nearest(among: Placeholder.allCases.map(\.rawValue)).map { "did you mean {\($0)}? " } ?? ""
                throw TemplateError(
                    description: "{\(name)} is no placeholder: \(nearest)there are \(Placeholder.list)")
            }
        }
    }

    /// The arguments for one backend. `quotes`: what is filled in is quoted for a shell where it needs to be.
    package func filled(for backend: BackendReference, at address: Endpoint, quotes: Bool = false) throws(TemplateError) -> [String] {
        var arguments: [String] = []
        for word in words {
            var argument = ""
            for part in CommandTemplate.parts(of: word) {
                switch part {
                case .text(let text): argument += text
                case .placeholder(let name):
                    let value = try CommandTemplate.value(of: name, for: backend, at: address)
                    argument += quotes ? value.shellQuoted : value
                }
            }
            arguments.append(argument)
        }
        return arguments
    }

    private static func value(
        of name: String, for backend: BackendReference, at address: Endpoint
    ) throws(TemplateError) -> String {
        guard let placeholder = Placeholder(rawValue: name) else { preconditionFailure("init checks every name") }
        switch placeholder {
        case .pool: return backend.pool.text
        case .backend: return backend.backend.text
        case .address: return address.description
        case .host: return address.host
        case .port:
            guard let port = address.port else {
                throw TemplateError(description: "{port} has no value for \(backend): its address is \(address); use {address} or {host}")
            }
            return "\(port)"
        }
    }

    /// `{name}` is a placeholder, where a name is letters, digits, '_' and '-'. `${name}` is a shell's, and
    /// all other braces are plain text, as Configuration's check has it too.
    private static func parts(of word: String) -> [Part] {
        var parts: [Part] = []
        var text = ""
        var rest = word[...]
        while let character = rest.first {
            if let name = name(in: rest), text.last != "$" {
                parts += [.text(text), .placeholder(name)]
                text = ""
                rest = rest.dropFirst(name.count + 2)
            } else {
                text.append(character)
                rest = rest.dropFirst()
            }
        }
        return parts + [.text(text)]
    }

    /// A placeholder that no brace ends in its word. Other words after a brace are plain text.
    private static func unclosed(in word: String) -> String? {
        guard let brace = word.lastIndex(of: "{"), brace == word.startIndex || word[word.index(before: brace)] != "$" else { return nil }
        let rest = word[word.index(after: brace)...]
        guard !rest.contains("}") else { return nil }
        let name = String(rest.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || $0 == "-") })
        return Placeholder(rawValue: name) == nil ? nil : name
    }

    private static func name(in rest: Substring) -> String? {
        guard rest.first == "{" else { return nil }
        let name = rest.dropFirst().prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || $0 == "-") }
        guard !name.isEmpty, rest[name.endIndex...].first == "}" else { return nil }
        return String(name)
    }
}
