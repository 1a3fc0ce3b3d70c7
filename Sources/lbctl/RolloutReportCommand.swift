// lbctl rollout report: what became of a rollout, for people, or as one page of HTML.
import ArgumentParser
import ControlProtocol
import EventLoop
import Model
import Orchestrator
import SystemCalls

struct RolloutReportCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "report", abstract: "Reports what became of a rollout; with --html as one page with pictures.",
        discussion: """
            The page needs nothing from outside: a picture of the steps, the connections of each backend, failures \
            and the verdict. FILE is ID.html where it is left out, and standard output where it is '-'. A single \
            word that ends with .html or holds a '/' is FILE.
            """)

    @OptionGroup var global: GlobalOptions
    @OptionGroup var stored: RolloutStoreOptions

    @Flag(help: "Writes a page of HTML into FILE.")
    var html = false

    @Argument(help: ArgumentHelp("Which rollout: its ID, or the beginning of one (default: the one of these balancers that runs, else their last); with --html then FILE.", valueName: "id] [file"))
    var words: [String] = []

    private var choice: (id: String?, file: String?) {
        guard html, words.count == 1, words[0] == "-" || words[0].hasSuffix(".html") || words[0].contains("/") else {
            return (words.first, words.count > 1 ? words[1] : nil)
        }
        return (nil, words[0])
    }

    func validate() throws {
        guard words.count <= (html ? 2 : 1) else { throw ValidationError("'\(words[words.count - 1].escapedForOneLine)' is too much: report [ID] [--html [FILE]]") }
        guard !words.contains("") else { throw ValidationError("an empty word is neither a rollout nor a file") }
    }

    func perform(_ console: Console) async -> ExitStatus {
        await about(console) { () throws(Failure) in
            let reading = try RolloutReading(try RolloutChoice.folder(choice.id, in: stored, at: global.controls))
            if let warning = reading.warning { console.message("lbctl: warning: \(warning)") }
            guard html else {
                if global.isJSON { console.data(JSONText.line(reading.report)) } else { reading.report.lines.forEach(console.data) }
                return .done
            }
            try write(ReportPage(reading).html, to: choice.file ?? "\(reading.folder.id).html", reading, console)
            return .done
        }
    }

    @ControlPlane private func write(_ page: String, to file: String, _ reading: RolloutReading, _ console: Console) throws(Failure) {
        guard file != "-" else { return console.data(page) }
        do throws(SystemError) { try Files.overwrite(file, with: Array(page.utf8), mode: 0o644) } catch {
            throw Failure(.failed, "the page could not be written: \(error)")
        }
        console.message("the report of \(reading.folder.id) is in \(file)")
    }
}
