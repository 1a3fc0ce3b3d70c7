// The words between the load and the backends: what one side writes the other reads, and nothing else passes.
import Testing

@testable import quickstart

struct InquiryTests {
    @Test(arguments: [Inquiry.hello, .ping("3-17"), .bytes(0), .bytes(67_108_864)])
    func readsWhatItWrites(_ inquiry: Inquiry) {
        #expect(Inquiry(Array(inquiry.line.utf8)) == inquiry)
    }

    @Test(arguments: ["", "hello ", "hello you", "ping", "ping ", "ping a b", "bytes", "bytes -1", "bytes x", "bytes 99999999999999999999", "HELLO"])
    func refusesOtherLines(_ line: String) {
        #expect(Inquiry(Array(line.utf8)) == nil)
    }

    @Test func refusesWhatIsNotText() {
        #expect(Inquiry([0xFF, 0x00, 0x0A]) == nil)
    }

    @Test func readsItsOwnAnswers() {
        let answerer = Answerer(name: "web-1", generation: 7)
        for inquiry in [Inquiry.hello, .ping("hop-9")] {
            guard case .line(let line) = inquiry.answer(of: answerer) else {
                Issue.record("'\(inquiry.line)' is answered by a line")
                continue
            }
            #expect(inquiry.answerer(in: line) == answerer)
        }
    }

    /// An answer to an earlier ping, or a truncated one, must count as wrong.
    @Test(arguments: ["", "pong", "pong 3-16 web-1 2", "pong 3-17 web-1", "pong 3-17 web-1 ", "pong 3-17 web-1 x", "pong 3-17  2", "pong 3-17 web-1 0", "pong 3-17 web-1 2 2", "web-1 2"])
    func refusesOtherAnswers(_ line: String) {
        #expect(Inquiry.ping("3-17").answerer(in: line) == nil)
    }
}
