// lbctl listener set: options of one listener, or the same ones of several in one change.
import ArgumentParser
import ControlProtocol
import EventLoop
import Model

struct ListenerSetCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "set", abstract: ListenerKind.words.set.abstract, discussion: ListenerKind.words.set.discussion)

    /// Names first, then options: two lists in one, as a command line has only one of open length.
    enum Piece: Equatable, Sendable {
        case name(ListenerName)
        case setting(Setting)

        init(_ word: String) throws {
            self = word.contains("=") ? .setting(try Word.setting(word)) : .name(try Word.listener(word))
        }
    }

    @OptionGroup var global: GlobalOptions

    @Argument(
        help: ArgumentHelp("Which, one or more; then options as in the file, 'KEY=' is back to the default.", valueName: "name... key=value"),
        transform: Piece.init)
    var pieces: [Piece]

    func validate() throws {
        guard case .name = pieces.first else { throw ValidationError("which listener? Write its name before the options") }
        guard case .setting = pieces.last else { throw ValidationError("Missing expected argument '<key=value>' at the end") }
        guard pieces.dropFirst(names.count).count == settings.count else { throw ValidationError("names of listeners stand before the options") }
        for (index, name) in names.enumerated() where names[..<index].contains(name) { throw ValidationError("'\(name)' stands twice") }
    }

    var names: [ListenerName] {
        pieces.prefix { if case .name = $0 { true } else { false } }.compactMap { if case .name(let name) = $0 { name } else { nil } }
    }

    var settings: [Setting] { pieces.compactMap { if case .setting(let setting) = $0 { setting } else { nil } } }

    func perform(_ console: Console) async -> ExitStatus {
        let command: ConfigurationCommand = names.count == 1 ? .edit(.set(.listener(names[0]), settings)) : .setListeners(names, settings)
        return await Fleet(global, console).reportChanges(command)
    }
}
