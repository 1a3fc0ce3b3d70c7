// One question and its answer, as values, between libevent's HTTP server and whoever knows the answer.

extension HTTPServer {
    package struct Request: Sendable {
        package enum Method: Sendable {
            case get
            /// As `get`, but nobody wants the body.
            case head
            case other
        }

        package let method: Method
        /// What follows the authority, up to the question mark; never decoded.
        package let path: String
        /// What follows the question mark.
        package let query: String?
        /// The `Host` header without a port; nil: there is none.
        package let host: String?
        /// The `Accept` header.
        package let accept: String?

        package init(method: Method, path: String, query: String? = nil, host: String? = nil, accept: String? = nil) {
            (self.method, self.path, self.query, self.host, self.accept) = (method, path, query, host, accept)
        }
    }

    package struct Response: Sendable {
        package enum Status: Int32, Sendable {
            case ok = 200
            case forbidden = 403
            case notFound = 404
            case methodNotAllowed = 405
            case serviceUnavailable = 503

            package var reason: String {
                switch self {
                case .ok: "OK"
                case .forbidden: "Forbidden"
                case .notFound: "Not Found"
                case .methodNotAllowed: "Method Not Allowed"
                case .serviceUnavailable: "Service Unavailable"
                }
            }
        }

        package var status: Status
        package var headers: [(name: String, value: String)]
        package var body: SharedBytes

        package init(_ status: Status, headers: [(name: String, value: String)] = [], body: SharedBytes) {
            (self.status, self.headers, self.body) = (status, headers, body)
        }
    }
}
