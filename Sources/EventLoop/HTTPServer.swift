// libevent's HTTP server (evhttp) on the control plane's loop: requests in, answers out when they are ready, one a connection.
//
// evhttp bounds neither the number of connections nor their whole time: it listens where only lbd itself connects (see
// Daemon/AdminPort), behind a listener that does.
//
// It also looks no more at a connection whose request it has read, so whoever leaves then is found by asking the kernel.
//
// Invariants: evhttp, its connections and requests are touched on the loop alone. A request lies in `asked` from its callback
// until its connection is freed, of which evhttp tells. A connection frees its request, but for one that evhttp has parted
// from it because it broke: that one is freed here. As nothing owns a request by evhttp_request_own, and no connection
// carries a second one, none is freed twice.
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
        /// Answers that are made or sent at once.
        package var answersMax: Int

        package init(headersMax: Int, idleTimeout: Duration, answersMax: Int) {
            (self.headersMax, self.idleTimeout, self.answersMax) = (headersMax, idleTimeout, answersMax)
        }
    }

    package struct Answers {
        /// Beyond all bounds, as it takes next to no work or memory; nil: not this one.
        let atOnce: @ControlPlane (Request) -> Response?
        let later: @ControlPlane @Sendable (Request) async -> Response
        /// Beyond `answersMax`.
        let busy: Response

        package init(
            atOnce: @escaping @ControlPlane (Request) -> Response?, later: @escaping @ControlPlane @Sendable (Request) async -> Response, busy: Response
        ) {
            (self.atOnce, self.later, self.busy) = (atOnce, later, busy)
        }
    }

    private struct Asked {
        enum Stage {
            case making(Task<Void, Never>)
            case sending
        }

        let request: OpaquePointer
        let connection: OpaquePointer
        var stage: Stage

        func cancel() {
            switch stage {
            case .making(let work): work.cancel()
            case .sending: break
            }
        }
    }

    private let server: OpaquePointer
    private let listener: OpaquePointer
    private let answers: Answers
    private let answersMax: Int
    /// By number: requests whose answers are made or sent.
    private var asked: [UInt64: Asked] = [:]
    private var last: UInt64 = 0
    private var isOpen = true
    /// Servers by their listeners: libevent's callback for a failed accept knows nothing else of ours.
    private static var byListener: [OpaquePointer: HTTPServer] = [:]
    /// Out of descriptors: nobody is accepted for so long.
    private static let restAfterFailure = Duration.milliseconds(100)

    /// `socket` listens already. `close` ends it; until then the server stays.
    package init(
        on socket: consuming Descriptor, _ bounds: Bounds, _ answers: Answers
    ) throws(SystemError) {
        guard let server = evhttp_new(Loop.shared.base) else { throw SystemError("evhttp_new", ENOMEM) }
        (self.answers, answersMax) = (answers, bounds.answersMax)
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
        for one in asked.values { one.cancel() }
        asked = [:]
        evhttp_free(server)
    }

    fileprivate func arrived(_ request: OpaquePointer) {
        let question = Request(request)
        if let response = answers.atOnce(question) { return send(response, to: request, question.method) }
        endThoseWhoLeft()
        guard asked.count < answersMax, let connection = evhttp_request_get_connection(request) else {
            return send(answers.busy, to: request, question.method)
        }
        last += 1
        let number = last
        let work = start {
            // Its client may have left before this turn.
            guard !Task.isCancelled else { return }
            let response = await self.answers.later(question)
            self.reply(response, to: question, number)
        }
        asked[number] = Asked(request: request, connection: connection, stage: .making(work))
        evhttp_connection_set_closecb(connection, connectionEnds, Unmanaged.passUnretained(self).toOpaque())
    }

    private func reply(_ response: Response, to question: Request, _ number: UInt64) {
        guard let request = asked[number]?.request else { return }
        asked[number]?.stage = .sending
        send(response, to: request, question.method)
    }

    private func send(_ response: Response, to request: OpaquePointer, _ method: Request.Method) {
        let headers = evhttp_request_get_output_headers(request)
        for (name, value) in response.headers { evhttp_add_header(headers, name, value) }
        evhttp_add_header(headers, "Connection", "close")
        evhttp_add_header(headers, "Content-Length", "\(response.body.count)")
        let body = evbuffer_new()
        switch method {
        case .get, .other: add(response.body, to: body)
        case .head: break
        }
        evhttp_send_reply(request, response.status.rawValue, response.status.reason, body)
        evbuffer_free(body)
    }

    /// The buffer's until they are sent.
    private func add(_ bytes: SharedBytes, to body: OpaquePointer?) {
        guard bytes.count > 0 else { return }
        let owner = Unmanaged.passRetained(bytes)
        guard evbuffer_add_reference(body, bytes.start, bytes.count, bytesSent, owner.toOpaque()) != 0 else { return }
        owner.release()
    }

    // MARK: Clients that leave

    /// Nobody would hear the answer, and each has a descriptor.
    private func endThoseWhoLeft() {
        let numbers = asked.map { (number: $0.key, descriptor: bufferevent_getfd(evhttp_connection_get_bufferevent($0.value.connection))) }
        let gone = Sockets.hungUp(among: numbers.map(\.descriptor))
        for (number, descriptor) in numbers where gone.contains(descriptor) {
            guard let one = asked.removeValue(forKey: number) else { continue }
            one.cancel()
            evhttp_connection_free(one.connection)
        }
    }

    /// The answer has been sent, or its client has left.
    fileprivate func ends(_ connection: OpaquePointer) {
        guard let (number, one) = asked.first(where: { $0.value.connection == connection }) else { return }
        asked[number] = nil
        one.cancel()
        switch one.stage {
        case .making: if evhttp_request_get_connection(one.request) == nil { evhttp_request_free(one.request) }
        case .sending: break
        }
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

private func connectionEnds(_ connection: OpaquePointer?, _ context: UnsafeMutableRawPointer?) {
    let server = Unmanaged<HTTPServer>.fromOpaque(context!).takeUnretainedValue()
    nonisolated(unsafe) let connection = connection!
    ControlPlane.assumeIsolated { server.ends(connection) }
}

private func bytesSent(_: UnsafeRawPointer?, _: Int, _ owner: UnsafeMutableRawPointer?) {
    Unmanaged<SharedBytes>.fromOpaque(owner!).release()
}

/// Nobody could be accepted. libevent would try again at once, for ever.
private func acceptFailed(_ listener: OpaquePointer?, _: UnsafeMutableRawPointer?) {
    nonisolated(unsafe) let listener = listener!
    ControlPlane.assumeIsolated { HTTPServer.rest(listener) }
}
