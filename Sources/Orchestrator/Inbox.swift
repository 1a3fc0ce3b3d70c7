// What happened while a rollout waits: many tasks put it in, one takes it out, in order.
import EventLoop

@ControlPlane final class Inbox<Element: Sendable> {
    private var waiting: [Element] = []
    private var reader: CheckedContinuation<Element, Never>?

    func put(_ element: Element) {
        guard let reader else { return waiting.append(element) }
        self.reader = nil
        reader.resume(returning: element)
    }

    /// The next one. One caller at a time.
    func next() async -> Element {
        precondition(reader == nil, "an inbox has one reader")
        guard waiting.isEmpty else { return waiting.removeFirst() }
        return await withCheckedContinuation { reader = $0 }
    }
}
