// HAProxy and nginx as receivers and senders of PROXY headers, and curl as the client who knows its own address.
import Glibc
import Model
import SystemCalls
import Testing

extension Family {
    /// Families of clients that a PROXY header can name.
    static let internet: [Family] = [.ipv4, .ipv6]

    /// The loopback address as a URL holds it, with a port.
    func loopback(_ port: UInt16) throws -> Endpoint {
        switch self {
        case .ipv4: .loopback(port)
        case .ipv6: try Endpoint("[::1]:\(port)")
        case .unix: throw HarnessError("a Unix socket has no port")
        }
    }
}

/// Servers that expect a PROXY header and answer with the addresses that it names: `SOURCE DESTINATION`.
struct ProxyReceivers {
    let haproxy: Endpoint
    /// HTTP, with files to fetch and to put as `WebServer` has them.
    let nginx: Endpoint
    /// Answers as soon as the header is there, before the client says anything.
    let nginxStream: Endpoint
    private let lab: Lab

    init(_ lab: Lab) throws {
        self.lab = lab
        haproxy = try HAProxy.start(lab, "receiver") { port in
            """
            frontend receiver
                mode http
                bind 127.0.0.1:\(port) accept-proxy
                http-request return status 200 content-type text/plain lf-string "%[src]:%[src_port] %[dst]:%[dst_port]"
            """
        }
        try lab.write("html/large", Content.random(1 << 20))
        try lab.write("html/put/.keep", "")
        var second: UInt16 = 0
        nginx = try ForegroundServer.start(lab, "nginx") { port in
            second = try FreePort.next()
            let file = try lab.write("nginx.conf", ProxyReceivers.configuration(port, second))
            return ["nginx", "-p", lab.folder, "-e", lab.path("nginx-error.log"), "-c", file]
        }.endpoint
        nginxStream = .loopback(second)
    }

    func file(_ name: String) -> String { lab.path("html/\(name)") }

    /// The stream module lies outside of nginx's own folder, which -p moves.
    private static func configuration(_ http: UInt16, _ stream: UInt16) -> String {
        let addresses = "$proxy_protocol_addr:$proxy_protocol_port $proxy_protocol_server_addr:$proxy_protocol_server_port"
        return """
            load_module /usr/lib/nginx/modules/ngx_stream_module.so;
            user root;
            worker_processes 1;
            daemon off;
            pid nginx.pid;
            events { worker_connections 1024; }
            stream {
                server {
                    listen 127.0.0.1:\(stream) proxy_protocol;
                    return "\(addresses)";
                }
            }
            http {
                access_log off;
                client_body_temp_path body;
                proxy_temp_path proxy;
                fastcgi_temp_path fastcgi;
                uwsgi_temp_path uwsgi;
                scgi_temp_path scgi;
                client_max_body_size 0;
                server {
                    listen 127.0.0.1:\(http) proxy_protocol;
                    root html;
                    location = / { return 200 "\(addresses)"; }
                    location /put/ { dav_methods PUT; }
                }
            }

            """
    }
}

enum HAProxy {
    /// Starts one in the foreground whose sections are `sections(port)`.
    static func start(_ lab: Lab, _ name: String, _ sections: (UInt16) throws -> String) throws -> Endpoint {
        try ForegroundServer.start(lab, name) { port in
            let start = """
                global
                    maxconn 500
                    nbthread 1
                defaults
                    timeout connect 10s
                    timeout client 60s
                    timeout server 60s

                """
            return ["haproxy", "-db", "-f", try lab.write("\(name).cfg", start + sections(port) + "\n")]
        }.endpoint
    }
}

/// curl, which says after each answer which addresses its own socket had.
struct AddressClient {
    let lab: Lab
    /// Such as `--haproxy-protocol`.
    var flags: [String] = []

    struct Answer {
        let body: String
        /// `SOURCE DESTINATION` of curl's own socket.
        let own: String
    }

    @discardableResult
    private func curl(_ arguments: [String]) throws -> ProgramEnd {
        try lab.run(["curl", "-sS", "--fail", "--max-time", "20"] + flags + arguments).succeeded()
    }

    func ask(_ endpoint: Endpoint) throws -> Answer {
        let end = try curl(["-w", "\n%{local_ip}:%{local_port} %{remote_ip}:%{remote_port}", "http://\(endpoint)/"])
        let lines = end.output.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        guard lines.count == 2 else { throw HarnessError("curl saw: \(end)") }
        return Answer(body: lines[0], own: lines[1])
    }

    /// Fetches and puts a file; whether both are what they were.
    func carries(_ receivers: ProxyReceivers, at endpoint: Endpoint) throws -> Bool {
        let file = lab.path("down"), large = receivers.file("large")
        try curl(["-o", file, "http://\(endpoint)/large"])
        try curl(["-T", large, "http://\(endpoint)/put/up"])
        let digests = try [large, file, receivers.file("put/up")].map { try Content.sha256(file: $0, lab) }
        return Set(digests).count == 1
    }
}
