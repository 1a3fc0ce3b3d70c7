// Which errors count as which failure.
import EventLoop
import Glibc
import SystemCalls
import Testing

@testable import quickstart

struct LoadFailureTests {
    @Test(arguments: [
        (ECONNREFUSED, LoadFailure.Reason.refused), (ECONNRESET, .reset), (EPIPE, .reset),
        (ETIMEDOUT, .timeout), (EADDRNOTAVAIL, .system), (EMFILE, .system),
    ])
    func tellsSystemErrorsApart(_ errorNumber: Int32, _ reason: LoadFailure.Reason) {
        let failure = LoadFailure(SocketFailure.system(SystemError("connect", errorNumber)), doing: "connect")
        #expect(failure.reason == reason)
        #expect(failure.detail.hasPrefix("connect: "))
    }

    @Test func keepsAFailureThatIsKnownAlready() {
        let failure = LoadFailure(.wrongAnswer, "hello: 'x'")
        #expect(LoadFailure(failure, doing: "hello") == failure)
    }
}
