// Long work on the loop in small parts: however many do some, one part is done in each round, and whoever asks little
// meanwhile waits for one part and not for one of each. Who has done the fewest parts goes first, so that an answer of two
// parts does not wait behind forty of a hundred; now and then who has waited longest, so that the hundred end too while
// others ask without end.

@ControlPlane package final class Turns {
    private var waiting: [(partsDone: Int, wait: Wait)] = []
    private var isPassing = false
    private var passed = 0
    private static let turnsOfFewest = 3

    package nonisolated init() {}

    /// Returns when it is the caller's turn to do a part, in a later round of the loop; `partsDone`: its parts before.
    /// False: the task was cancelled first; it is no longer in line, with all that it holds.
    package func next(after partsDone: Int) async -> Bool {
        let wait = Wait()
        waiting.append((partsDone, wait))
        if !isPassing {
            isPassing = true
            start { await self.pass() }
        }
        guard await wait.untilFinished() == .cancelled else { return true }
        waiting.removeAll { $0.wait === wait }
        return false
    }

    private func pass() async {
        // Who has joined in this round begins to wait before the first of them is called.
        await Task.yield()
        while let next = nextInLine() {
            // One that was cancelled in this round has taken no turn.
            if next.finish(.ready) { await Task.yield() }
        }
        isPassing = false
    }

    /// Among equals the first.
    private func nextInLine() -> Wait? {
        guard let next = waiting.indices.min(by: { waiting[$0].partsDone < waiting[$1].partsDone }) else { return nil }
        passed += 1
        return waiting.remove(at: passed % (Turns.turnsOfFewest + 1) == 0 ? 0 : next).wait
    }
}
