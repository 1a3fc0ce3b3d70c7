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
        /// Of each answer, evhttp's own to what is no request included.
        let headers: SharedBytes

        package init(
            atOnce: @escaping @ControlPlane (Request) -> Response?, later: @escaping @ControlPlane @Sendable (Request) async -> Response,
            busy: Response, headers: [(name: String, value: String)]
        ) {
            (self.atOnce, self.later, self.busy) = (atOnce, later, busy)
            self.headers = SharedBytes(Array(headers.map { "\($0.name): \($0.value)\r\n" }.joined().utf8))
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
    /// Told when nobody could be accepted, once a minute at most.
    private let noteRefusal: @ControlPlane (SystemError) -> Void
    private var notedAt: MonotonicTime?
    /// By number: requests whose answers are made or sent.
    private var asked: [UInt64: Asked] = [:]
    private var last: UInt64 = 0
    private var isOpen = true
    /// Servers by their listeners: libevent's callback for a failed accept knows nothing else of ours.
    private static var byListener: [OpaquePointer: HTTPServer] = [:]
    /// Out of descriptors: nobody is accepted for so long.
    private static let restAfterFailure = Duration.milliseconds(100)
    private static let noteInterval = Duration.seconds(60)

    /// `socket` listens already. `close` ends it; until then the server stays.
    package init(
        on socket: consuming Descriptor, _ bounds: Bounds, _ answers: Answers, noteRefusal: @escaping @ControlPlane (SystemError) -> Void
    ) throws(SystemError) {
        guard let server = evhttp_new(Loop.shared.base) else { throw SystemError("evhttp_new", ENOMEM) }
        (self.answers, answersMax, self.noteRefusal) = (answers, bounds.answersMax, noteRefusal)
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
        // Retained by `byListener` for as long as evhttp has connections.
        evhttp_set_bevcb(server, newConnection, Unmanaged.passUnretained(self).toOpaque())
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

    /// evhttp answers in its own words, of which none can be changed, to what is no request. So what belongs to every
    /// answer is put behind the status line, when that comes as the first into the connection's buffer.
    fileprivate func bytesAdded(to output: OpaquePointer) {
        guard HTTPServer.holdsStatusLine(output) else { return }
        evbuffer_add(output, answers.headers.start, answers.headers.count)
    }

    /// The status line of an answer and nothing more; `100 Continue` is none.
    private static func holdsStatusLine(_ output: OpaquePointer) -> Bool {
        var bytes = [UInt8](repeating: 0, count: 128)
        let count = min(evbuffer_get_length(output), bytes.count)
        guard evbuffer_copyout(output, &bytes, count) == count else { return false }
        let line = bytes.prefix(count)
        return line.starts(with: Array("HTTP/1.".utf8)) && line.dropFirst(9).first != UInt8(ascii: "1")
            && line.firstIndex(of: 0x0A) == line.indices.last
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

    fileprivate func rest(after errorNumber: Int32) {
        let now = LoopClock().now
        if notedAt.map({ $0.duration(to: now) >= HTTPServer.noteInterval }) ?? true {
            notedAt = now
            noteRefusal(SystemError("accept", errorNumber))
        }
        evconnlistener_disable(listener)
        start {
            await pause(for: HTTPServer.restAfterFailure)
            guard self.isOpen else { return }
            evconnlistener_enable(self.listener)
        }
    }

    /// Of the server that has this listener, if it is still open.
    fileprivate static func rest(_ listener: OpaquePointer, after errorNumber: Int32) { byListener[listener]?.rest(after: errorNumber) }
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

/// As evhttp would make it, and its output is looked at.
private func newConnection(_ base: OpaquePointer?, _ context: UnsafeMutableRawPointer?) -> OpaquePointer? {
    guard let connection = bufferevent_socket_new(base, -1, 0) else { return nil }
    guard evbuffer_add_cb(bufferevent_get_output(connection), bytesAdded, context) != nil else {
        bufferevent_free(connection)
        return nil
    }
    return connection
}

private func bytesAdded(_ output: OpaquePointer?, _ change: UnsafePointer<evbuffer_cb_info>?, _ context: UnsafeMutableRawPointer?) {
    guard let change, change.pointee.orig_size == 0, change.pointee.n_added > 0 else { return }
    let server = Unmanaged<HTTPServer>.fromOpaque(context!).takeUnretainedValue()
    nonisolated(unsafe) let output = output!
    ControlPlane.assumeIsolated { server.bytesAdded(to: output) }
}

private func bytesSent(_: UnsafeRawPointer?, _: Int, _ owner: UnsafeMutableRawPointer?) {
    Unmanaged<SharedBytes>.fromOpaque(owner!).release()
}

/// Nobody could be accepted. libevent would try again at once, for ever.
private func acceptFailed(_ listener: OpaquePointer?, _: UnsafeMutableRawPointer?) {
    let errorNumber = errno
    nonisolated(unsafe) let listener = listener!
    ControlPlane.assumeIsolated { HTTPServer.rest(listener, after: errorNumber) }
}
