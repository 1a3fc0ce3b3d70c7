// A document with every default filled in, and a document that means the same in another folder.
import Model

extension ConfigurationDocument {
    /// All that holds, each value in its one spelling, paths absolute.
    package var effective: ConfigurationDocument {
        ConfigurationDocument(root.effective(as: Declared.file, in: folder), folder: folder)
    }

    /// For a file in another folder: what would mean something else there is written so that it does not.
    package func moved(to other: String) -> ConfigurationDocument {
        guard other != folder else { return self }
        return ConfigurationDocument(root.moved(as: Declared.file, from: folder, to: other), folder: other)
    }
}

extension OptionEntry {
    /// Nil where it has none.
    func effective(_ written: YamlNode?, in folder: String) -> YamlNode? {
        guard let node = written ?? absence.preset else { return nil }
        return spelling(node, folder) ?? node
    }
}

extension Absence {
    fileprivate var preset: YamlNode? {
        switch self {
        case .means(let text): presetNode(text, at: .nowhere)
        case .isAnError, .isNothing: nil
        }
    }
}

extension YamlNode {
    fileprivate func effective(as section: Section, in folder: String) -> YamlNode {
        mapped(as: section) { option, node in option.effective(node, in: folder) }
    }

    fileprivate func moved(as section: Section, from old: String, to new: String) -> YamlNode {
        mapped(as: section) { option, node in
            let here = option.effective(node, in: old)
            return here == option.effective(node, in: new) ? node : here
        }
    }

    /// Each option of the section and of those within as `value` has it; nil: not written.
    private func mapped(as section: Section, _ value: (OptionEntry, YamlNode?) -> YamlNode?) -> YamlNode {
        let old = long
        var entries: [(key: String, value: YamlNode)] = []
        for entry in section.entries {
            switch entry {
            case .option(let option):
                if let node = value(option, old.node(at: [option.name])) { entries.append((option.name, node)) }
            case .section(let inner):
                let node = old.node(at: [inner.name])
                switch inner.plurality {
                case .one:
                    let mapped = (node ?? .emptyMapping).mapped(as: inner, value)
                    if node != nil || !mapped.entries.isEmpty { entries.append((inner.name, mapped)) }
                case .oneOrNone:
                    if let node { entries.append((inner.name, node.mapped(as: inner, value))) }
                case .named:
                    guard let node else { continue }
                    entries.append((inner.name, .mapping(node.entries.map { ($0.key, $0.value.mapped(as: inner, value)) })))
                }
            }
        }
        return .mapping(entries)
    }
}
