// Orders to a running rollout as lines: read back as written, and told what would be right.
import Testing

@testable import ControlProtocol

struct RolloutRequestTests {
    @Test func everyOrderReadsBack() throws {
        for word in RolloutOrderWord.allCases {
            for output in [Output.text, .json] {
                let request = RolloutRequest(word, output: output)
                #expect(try RolloutRequest(line: Array(request.line.utf8)) == request)
            }
        }
    }

    @Test(arguments: [
        ("", "the line is empty: try 'help'"), ("puase", "unknown verb 'puase'; did you mean 'pause'?"), ("drain", "unknown verb 'drain'; try 'help'"),
        ("abort now", "'now' is too much: abort"), ("status output=xml", "output=xml: write text or json"),
    ])
    func mistakesAreNamed(_ line: String, message: String) {
        let error = #expect(throws: LineError.self) { try RolloutRequest(line: Array(line.utf8)) }
        #expect(error?.description == message)
    }
}
