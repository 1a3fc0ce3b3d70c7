// The trait of every end-to-end suite: a lab for each test, a thread of its own, its share of the machine, and
// the programs' logs with its failures.
import Testing

struct LabTrait: SuiteTrait, TestTrait, TestScoping {
    let weight: Weight
    var isRecursive: Bool { true }

    @concurrent func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable @concurrent () async throws -> Void
    ) async throws {
        await Slots.shared.take(weight)
        defer { Slots.shared.give(weight) }
        try await withTaskExecutorPreference(TestThread()) {
            try await Lab.with { try await withLogs(for: test, testCase, function) }
        }
    }

    private func withLogs(
        for test: Test, _ testCase: Test.Case?, _ function: @Sendable @concurrent () async throws -> Void
    ) async throws {
        let lab = Lab.current
        let logs = IssueHandlingTrait.compactMapIssues { issue in
            guard let evidence = lab.evidence() else { return issue }
            var issue = issue
            issue.comments.append(Comment(rawValue: evidence))
            return issue
        }
        try await logs.provideScope(for: test, testCase: testCase) {
            // Recorded here and not thrown on: outside, the processes and their logs are gone.
            do { try await function() } catch {
                Issue.record(error, sourceLocation: (error as? HarnessError)?.location ?? test.sourceLocation)
            }
        }
    }
}

extension Trait where Self == LabTrait {
    static var lab: Self { LabTrait(weight: .light) }
    static func lab(_ weight: Weight) -> Self { LabTrait(weight: weight) }
}
