// lbctl rollout verify: whether a journal proves that its rollout kept its promises, without any balancer.
import ArgumentParser
import ControlProtocol
import EventLoop
import Model
import Orchestrator
import Rollout
import SystemCalls

struct RolloutVerifyCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Proves from a rollout's journal alone that it kept its promises.",
        discussion: """
            Never more out than allowed, none with a connection after it was drained, none restarted before it was empty, none restarted twice, none undrained before a \
            probe that began after its restart; and that no line was altered, cut out or put in. Exit status 1: not proved, \
            with the line and the promise.
            """)

    @OptionGroup var global: GlobalOptions
    @OptionGroup var stored: RolloutStoreOptions

    @Argument(help: ArgumentHelp("The journal, a file; or the ID of a rollout, or the beginning of one.", valueName: "file"))
    var file: String

    func perform(_ console: Console) async -> ExitStatus {
        await about(console) { () throws(Failure) in
            let path = Files.exists(file) ? file : try stored.store().folder(file).journal
            let report = VerificationReport(path, try RolloutVerifyCommand.content(path))
            if global.isJSON { console.data(JSONText.line(report)) } else { report.lines.forEach(console.data) }
            return report.proved ? .done : .failed
        }
    }

    private static func content(_ path: String) throws(Failure) -> JournalContent {
        do throws(SystemError) { return try JournalContent(reading: path) } catch { throw Failure(.failed, "\(error)") }
    }
}

struct VerificationReport: Encodable {
    struct Breach: Encodable {
        /// From 1, as an editor counts.
        let line: Int
        let text: String
    }

    let file: String
    let proved: Bool
    let lineCount: Int
    let restarts: Int
    let mostOut: Int
    let outMax: Int
    let resumes: Int
    let reason: String?
    let breaches: [Breach]

    private enum CodingKeys: String, CodingKey {
        case file, proved
        case lineCount = "lines"
        case restarts, mostOut, outMax, resumes, reason, breaches
    }

    init(_ file: String, _ content: JournalContent) {
        var readable: [JournalLine] = []
        var breaches: [Breach] = []
        var pools = JournalPools()
        for (index, line) in content.lines.enumerated() {
            do throws(JournalError) { readable.append(try JournalText.read(line, &pools)) } catch {
                // Nothing after it can be taken for what it says.
                breaches.append(Breach(line: index + 1, text: error.description))
                break
            }
        }
        let finding = JournalVerifier.verify(readable)
        breaches = (finding.breaches + finding.contradictions).sorted { $0.line < $1.line }.map { Breach(line: $0.line, text: $0.text) } + breaches
        if content.tornBytes > 0, breaches.isEmpty { breaches.append(Breach(line: content.lines.count + 1, text: "it was never finished")) }
        if finding.end == nil, breaches.isEmpty {
            breaches.append(Breach(
                line: content.lines.count + 1, text: "the end is missing: the rollout has not ended, or was killed, or the end was cut off; what is there is proved"))
        }
        self.file = file
        self.breaches = breaches
        proved = breaches.isEmpty
        lineCount = content.lines.count
        restarts = finding.restarts
        (mostOut, outMax, resumes) = (finding.mostOut, finding.outMax, finding.resumes)
        reason = finding.end?.reason
    }

    /// For people.
    var lines: [String] {
        guard proved else { return ["\(file): not proved"] + breaches.map { "  line \($0.line): \($0.text)" } }
        return [
            "\(file): proved",
            "  \(counted(lineCount, "line")) that hang together, and whose orders follow from what came before",
            "  \(counted(restarts, "restart")), each of a backend that was empty and drained by this rollout, none twice",
            "  none undrained after its restart before its probes said up",
            "  at most \(mostOut) out at once, \(outMax) allowed" + (resumes > 0 ? "; resumed \(resumes) times" : ""),
            "  it ended: \(reason ?? "all was done")",
        ]
    }
}
