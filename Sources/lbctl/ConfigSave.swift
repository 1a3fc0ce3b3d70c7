// lbctl config save: what runs is written to the file.
import ArgumentParser
import ControlProtocol
import EventLoop
import SystemCalls

struct ConfigSaveCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "save", abstract: "Writes the running configuration to a file that reloads to no difference.",
        discussion: "Comments are not kept. Exit status 4: the file is not as lbd has loaded it, or another one is there already.")

    @OptionGroup var global: GlobalOptions

    @Option(help: ArgumentHelp("Where to; lbd writes it. (default: the file that lbd was started with)", valueName: "path"), completion: .file())
    var file: String?

    @Flag(help: "Over what somebody else has written there.")
    var force = false

    func validate() throws {
        guard file != "" else { throw ValidationError("--file needs a path") }
        guard file == nil || global.balancers.count == 1 else {
            throw ValidationError("--file with several balancers: each would write over the others'")
        }
    }

    func perform(_ console: Console) async -> ExitStatus {
        var path = file
        // lbd runs in another folder.
        do throws(SystemError) { if let file { path = Files.resolve(file, in: try Files.workingFolder()) } } catch {
            console.message("lbctl: \(error)")
            return .failed
        }
        return await Fleet(global, console).report(
            .configuration(.save(file: path, force: force)), as: ConfigSaveRecord.self, text: { $0.lines[0] })
    }
}
