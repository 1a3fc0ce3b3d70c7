// libevent's HTTP server (evhttp) on the control plane's loop: requests in, answers out when they are ready, one a connection.
//
// evhttp bounds neither the number of connections nor their whole time: it listens where only lbd itself connects (see
// Daemon/AdminPort), behind a listener that does.
//
// Invariants: evhttp, its connections and requests are touched on the loop alone. A request is evhttp's until its callback,
// then owned by `asked` until it is answered: where its connection breaks first, evhttp lets go of the request, and the
// answer frees it. `evhttp_free` frees all that have a connection; `close` frees those that have none. As nothing owns a
// request by evhttp_request_own, and no connection carries a second one, none is freed twice.
import CLibevent
import Glibc
import Model
import SystemCalls

@ControlPlane package final class HTTPServer {
    package struct Bounds: Sendable {
        /// Bytes of all headers of a request. There is no body.
        package var headersMax: Int
        /// Without a byte either way.
        package var idleTimeout: Duration

        package init(headersMax: Int, idleTimeout: Duration) {
            (self.headersMax, self.idleTimeout) = (headersMax, idleTimeout)
        }
    }

    private let server: OpaquePointer
    private let listener: OpaquePointer
    private let answer: @ControlPlane @Sendable (Request) async -> Response
    /// By number: requests that wait for their answers.
    private var asked: [UInt64: (request: OpaquePointer, work: Task<Void, Never>)] = [:]
    private var last: UInt64 = 0
    private var isOpen = true
    /// Servers by their listeners: libevent's callback for a failed accept knows nothing else of ours.
    private static var byListener: [OpaquePointer: HTTPServer] = [:]
    /// Out of descriptors: nobody is accepted for so long.
    private static let restAfterFailure = Duration.milliseconds(100)

    /// `socket` listens already. `close` ends it; until then the server stays.
    package init(
        on socket: consuming Descriptor, _ bounds: Bounds, answer: @escaping @ControlPlane @Sendable (Request) async -> Response
    ) throws(SystemError) {
        guard let server = evhttp_new(Loop.shared.base) else { throw SystemError("evhttp_new", ENOMEM) }
        self.answer = answer
        self.server = server
        let number = socket.release()
        guard let bound = evhttp_accept_socket_with_handle(server, number), let listener = evhttp_bound_socket_get_listener(bound) else {
            Glibc.close(number)
            evhttp_free(server)
            throw SystemError("evhttp_accept_socket", ENOMEM)
        }
        self.listener = listener
        evhttp_set_max_headers_size(server, bounds.headersMax)
        evhttp_set_max_body_size(server, 0)
        var timeout = timeval(bounds.idleTimeout)
        evhttp_set_timeout_tv(server, &timeout)
        // All that it knows: whatever is none of ours is answered in our words.
        evhttp_set_allowed_methods(server, .max)
        HTTPServer.byListener[listener] = self
        evconnlistener_set_error_cb(listener, acceptFailed)
        // Retained by `byListener` for as long as evhttp calls.
        evhttp_set_gencb(server, requestArrived, Unmanaged.passUnretained(self).toOpaque())
    }

    /// Cuts off whoever still waits for an answer. More than once does nothing.
    package func close() {
        guard isOpen else { return }
        isOpen = false
        HTTPServer.byListener[listener] = nil
        let left = asked.values
        asked = [:]
        for (request, work) in left {
            work.cancel()
            if evhttp_request_get_connection(request) == nil { evhttp_request_free(request) }
        }
        evhttp_free(server)
    }

    fileprivate func arrived(_ request: OpaquePointer) {
        last += 1
        let number = last
        let question = Request(request)
        let work = start {
            let response = await self.answer(question)
            self.reply(response, to: question, number)
        }
        asked[number] = (request, work)
    }

    private func reply(_ response: Response, to question: Request, _ number: UInt64) {
        guard let (request, _) = asked.removeValue(forKey: number) else { return }
        let headers = evhttp_request_get_output_headers(request)
        for (name, value) in response.headers { evhttp_add_header(headers, name, value) }
        evhttp_add_header(headers, "Connection", "close")
        evhttp_add_header(headers, "Content-Length", "\(response.body.count)")
        let body = evbuffer_new()
        switch question.method {
        case .get, .other: evbuffer_add(body, response.body, response.body.count)
        case .head: break
        }
        // Where the connection is gone this frees the request, and no more.
        evhttp_send_reply(request, response.status.rawValue, response.status.reason, body)
        evbuffer_free(body)
    }

    fileprivate func rest() {
        evconnlistener_disable(listener)
        start {
            await pause(for: HTTPServer.restAfterFailure)
            guard self.isOpen else { return }
            evconnlistener_enable(self.listener)
        }
    }

    /// Of the server that has this listener, if it is still open.
    fileprivate static func rest(_ listener: OpaquePointer) { byListener[listener]?.rest() }
}

extension HTTPServer.Request {
    fileprivate init(_ request: OpaquePointer) {
        let headers = evhttp_request_get_input_headers(request)
        let address = evhttp_request_get_evhttp_uri(request)
        let command = evhttp_request_get_command(request)
        self.init(
            method: command == EVHTTP_REQ_GET ? .get : command == EVHTTP_REQ_HEAD ? .head : .other,
            path: address.flatMap { HTTPServer.Request.text(evhttp_uri_get_path($0)) } ?? "",
            query: address.flatMap { HTTPServer.Request.text(evhttp_uri_get_query($0)) },
            host: HTTPServer.Request.text(evhttp_request_get_host(request)), accept: HTTPServer.Request.text(evhttp_find_header(headers, "Accept")))
    }

    /// A copy; bytes that are no UTF-8 are replaced.
    private static func text(_ bytes: UnsafePointer<CChar>?) -> String? { bytes.map { String(cString: $0) } }
}

private func requestArrived(_ request: OpaquePointer?, _ context: UnsafeMutableRawPointer?) {
    let server = Unmanaged<HTTPServer>.fromOpaque(context!).takeUnretainedValue()
    nonisolated(unsafe) let request = request!
    ControlPlane.assumeIsolated { server.arrived(request) }
}

/// Nobody could be accepted. libevent would try again at once, for ever.
private func acceptFailed(_ listener: OpaquePointer?, _: UnsafeMutableRawPointer?) {
    nonisolated(unsafe) let listener = listener!
    ControlPlane.assumeIsolated { HTTPServer.rest(listener) }
}
