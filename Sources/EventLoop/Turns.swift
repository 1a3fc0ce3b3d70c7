// Long work on the loop in small parts: however many do some, one part is done in each round, and whoever asks little
// meanwhile waits for one part and not for one of each.

@ControlPlane package final class Turns {
    private var waiting: [CheckedContinuation<Void, Never>] = []
    private var isPassing = false

    package nonisolated init() {}

    /// Returns when it is the caller's turn to do a part: in a later round of the loop, first come first served.
    package func next() async {
        await withCheckedContinuation { turn in
            waiting.append(turn)
            guard !isPassing else { return }
            isPassing = true
            start { await self.pass() }
        }
    }

    private func pass() async {
        while !waiting.isEmpty {
            waiting.removeFirst().resume()
            await Task.yield()
        }
        isPassing = false
    }
}
