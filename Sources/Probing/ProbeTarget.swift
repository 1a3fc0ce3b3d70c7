// Whom a probe asks, and how it gets there.
import Model

package struct ProbeTarget: Equatable, Sendable {
    package let backend: BackendReference
    package let endpoint: Endpoint
    /// The header that the backend waits for before it says a word.
    package let sendProxy: SendProxy
    /// Our own address, where its family is the endpoint's.
    package let source: IPAddress?

    package init(_ backend: BackendReference, at endpoint: Endpoint, sendProxy: SendProxy = .none, source: IPAddress? = nil) {
        self.backend = backend
        self.endpoint = endpoint
        self.sendProxy = sendProxy
        self.source = source
    }
}
