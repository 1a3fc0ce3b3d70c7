// What a rollout tells the person who started it, one value a change.
import Model
import Rollout

package struct Progress: Equatable, Sendable {
    package enum News: Equatable, Sendable {
        case milestone(Milestone)
        /// While it is draining.
        case connections(Int, waited: Duration)
        /// Something to know that does not change what happens.
        case note(String)
        /// To the rollout's end.
        case timeLeft(Prediction.Span)
    }

    /// nil: it concerns the whole rollout.
    package let backend: BackendReference?
    /// From 1; 0: the whole rollout.
    package let step: Int
    package let steps: Int
    package let news: News

    package init(backend: BackendReference?, step: Int, steps: Int, news: News) {
        self.backend = backend
        self.step = step
        self.steps = steps
        self.news = news
    }

    /// `web/web-1 [1/3] drained after 1.2 s`
    package var text: String { backend.map { "\($0) [\(step)/\(steps)] \(words)" } ?? words }

    private var words: String {
        switch news {
        case .milestone(let milestone): milestone.text
        case .connections(let count, _): "draining: \(count) \(count == 1 ? "connection" : "connections")"
        case .note(let text): text
        case .timeLeft(let span): "time left: \(span.text)"
        }
    }
}
