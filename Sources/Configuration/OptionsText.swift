// The declared options as texts: for `lbd --options`, and Config/reference.yaml.
import Model

/// One option as texts tell it.
package struct OptionDescription: Equatable, Sendable {
    /// From the top of the file, names as NAME: `pools.NAME.health.interval`.
    package let path: String
    package let type: String
    /// As the file spells it; `required`, or `-` for nothing.
    package let preset: String
    package let bounds: String
    package let doc: String
    /// From when on a change holds.
    package let effect: ConfigurationEffect
}

/// Every option, in the order of the reference file.
package func optionDescriptions() -> [OptionDescription] { descriptions(of: Declared.file, at: "") }

private func descriptions(of section: Section, at path: String) -> [OptionDescription] {
    section.entries.flatMap { entry -> [OptionDescription] in
        switch entry {
        case .option(let option):
            let preset =
                switch option.absence {
                case .means(let written): written
                case .isAnError: "required"
                case .isNothing: "-"
                }
            return [OptionDescription(path: path + option.name, type: option.type, preset: preset, bounds: option.bounds, doc: option.doc, effect: option.effect)]
        case .section(let inner):
            switch inner.plurality {
            case .one, .oneOrNone: return descriptions(of: inner, at: "\(path)\(inner.name).")
            case .named: return descriptions(of: inner, at: "\(path)\(inner.name).NAME.")
            }
        }
    }
}

/// A table with a line for each option.
package func optionsText() -> String {
    let head = ["OPTION", "TYPE", "DEFAULT", "BOUNDS", "CHANGES", "MEANING"]
    let rows = [head] + optionDescriptions().map {
        [$0.path, $0.type, $0.preset, $0.bounds.isEmpty ? "-" : $0.bounds, $0.effect.rawValue, $0.doc]
    }
    let widths = rows[0].indices.map { column in rows.map { $0[column].utf8.count }.max() ?? 0 }
    return rows.map { row in
        zip(row, widths).dropLast().map { padded($0, to: $1) }.joined(separator: "  ") + "  " + row[row.count - 1]
    }.joined(separator: "\n") + "\n"
}

/// A whole and valid configuration file that shows every option at its default.
package func referenceYaml() -> String {
    """
    # Every option of lbd with its default, unit and bounds. Generated from the declarations that lbd itself
    # reads by (Sources/Configuration/Declared.swift); a test compares. 'lbd --options' prints the same as a table.
    # Durations: 250ms, 2s, 5m, 1h, 7d. Relative paths start at this file's folder.
    # All of it can be changed while lbd runs: here, then 'lbctl config reload'; or by command: 'lbctl config set',
    # 'lbctl listener|pool|backend add|set|remove', and 'lbctl config save' to keep it. Changes hold at once, but where
    # it says 'next start'.


    """ + lines(of: Declared.file, indent: 0).joined(separator: "\n") + "\n"
}

private func lines(of section: Section, indent: Int) -> [String] {
    let margin = String(repeating: " ", count: indent)
    var options: [(text: String, comment: String)] = []
    var result: [String] = []
    for entry in section.entries {
        switch entry {
        case .option(let option): options.append((margin + setting(option), comment(option)))
        case .section(let inner): result += [""] + lines(under: inner, margin: margin, indent: indent)
        }
    }
    // A long value does not push the comments of the others to the right.
    let width = options.map(\.text.utf8.count).filter { $0 <= 40 }.max() ?? 0
    return options.map { padded($0.text, to: width) + "  # " + $0.comment } + result
}

private func lines(under section: Section, margin: String, indent: Int) -> [String] {
    let head = "\(margin)\(section.name):"
    switch section.plurality {
    case .one: return ["\(head)  # \(section.doc)"] + lines(of: section, indent: indent + 2)
    case .oneOrNone:
        // In comments: there it would mean something.
        return (["\(head)  # \(section.doc)"] + lines(of: section, indent: indent + 2)).map { margin + "# " + $0.dropFirst(indent) }
    case .named(_, let example):
        return ["\(head)  # \(section.doc)", "\(margin)  \(example):"] + lines(of: section, indent: indent + 4)
    }
}

/// An option without a default stands in a comment.
private func setting(_ option: OptionEntry) -> String {
    switch option.absence {
    case .means(let written), .isAnError(let written): "\(option.name): \(written)"
    case .isNothing(let example): "# \(option.name): \(example)"
    }
}

private func comment(_ option: OptionEntry) -> String {
    let parts =
        switch option.absence {
        case .means: [option.type, option.bounds]
        case .isAnError: [option.type, option.bounds, "required"]
        case .isNothing: [option.type, option.bounds, "no default"]
        }
    let effect: [String] = switch option.effect {
    case .atOnce: []
    case .atNextStart: ["next start"]
    case .atFirstStart: ["first start"]
    }
    return "\(option.doc) (\((parts.filter { !$0.isEmpty } + effect).joined(separator: "; ")))"
}

private func padded(_ text: String, to width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.utf8.count))
}
