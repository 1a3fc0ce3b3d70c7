// Whose doing an end was. Faults: lbd's own limits blamed on a backend, a party's word counted as the other's.
import Glibc
import Model
import Testing

@testable import Proxy

struct AttributionTests {
    /// Every reason once, as the words are written.
    private static let told: [(CloseReason, String)] = [
        (.finished(first: .client, last: .backend), "client finished"),
        (.finished(first: .backend, last: .client), "backend finished"),
        (.finished(first: .client, last: .client), "client finished"),
        (.passedReset(by: .client), "client reset"), (.passedReset(by: .backend), "backend reset"),
        (.idle, "lbd idle-timeout"), (.halfClosed, "lbd half-closed-timeout"),
        (.stalled(reader: .client), "client stalled-timeout"), (.stalled(reader: .backend), "backend stalled-timeout"),
        (.lifetime, "lbd lifetime"), (.noBackend, "lbd no-backend"),
        (.connectFailed(errorNumber: ECONNREFUSED), "backend connect-failed"),
        (.connectFailed(errorNumber: ENOBUFS), "lbd connect-failed"), (.connectFailed(errorNumber: EAGAIN), "lbd connect-failed"),
        (.poolFull, "lbd pool-full"), (.queueTimedOut, "lbd queue-timeout"),
        (.holdFull, "lbd hold-full"), (.holdTimedOut, "lbd hold-timeout"),
        (.clientLeft, "client left-early"), (.denied, "client denied"), (.sourceLimit, "client source-limit"),
        (.badHeader, "client bad-header"), (.stopping, "lbd stopping"), (.ordered, "lbd ordered"),
        (.orderedReset, "lbd ordered"), (.removed, "lbd removed"), (.outOfResources, "lbd out-of-resources"),
    ]

    @Test func everyEndIsSomebodysInOneWord() {
        for (reason, words) in AttributionTests.told {
            let ending = reason.ending
            #expect("\(ending.by.rawValue) \(ending.reason.rawValue)" == words)
        }
        let reasons = Set(AttributionTests.told.map { $0.0.ending.reason })
        #expect(reasons == Set(EndReason.allCases), "a word that no connection ends by, or one that this test has forgotten")
    }

    @Test func connectsFailForAReason() {
        let told: [(Int32, ConnectFailureReason)] = [
            (ECONNREFUSED, .refused), (ETIMEDOUT, .timeout), (EHOSTUNREACH, .unreachable), (ENETUNREACH, .unreachable), (ENOENT, .unreachable),
            (ECONNRESET, .reset), (EPIPE, .reset), (EMFILE, .outOfResources), (ENFILE, .outOfResources), (ENOBUFS, .outOfResources),
            (ENOMEM, .outOfResources), (EADDRNOTAVAIL, .outOfResources), (EAGAIN, .outOfResources), (EACCES, .other), (EINVAL, .other),
        ]
        for (errorNumber, reason) in told { #expect(ConnectFailureReason(errorNumber: errorNumber) == reason, "errno \(errorNumber)") }
        #expect(Set(told.map(\.1)) == Set(ConnectFailureReason.allCases))
    }
}
