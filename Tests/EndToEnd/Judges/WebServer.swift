// An nginx in the foreground: HTTP/1.1 and HTTP/2 without TLS, files to fetch and a place to put some.
import Model
import Testing

struct WebServer {
    let http1: Endpoint
    let http2: Endpoint
    private let lab: Lab
    static let smallBytes = 1024
    static let largeBytes = 10 << 20

    /// `/small` and `/large` are random; what is PUT below `/put/` lies in the file `html/put/`.
    init(_ lab: Lab) throws {
        self.lab = lab
        try lab.write("html/small", WebServer.letters(WebServer.smallBytes))
        try lab.write("html/large", Content.random(WebServer.largeBytes))
        try lab.write("html/put/.keep", "")
        var second: UInt16 = 0
        http1 = try ForegroundServer.start(lab, "nginx") { port in
            second = try FreePort.next()
            let file = try lab.write("nginx.conf", WebServer.configuration(port, second))
            return ["nginx", "-p", lab.folder, "-e", lab.path("nginx-error.log"), "-c", file]
        }.endpoint
        http2 = .loopback(second)
    }

    func file(_ name: String) -> String { lab.path("html/\(name)") }

    /// Text that a Lua script can hold as it is.
    private static func letters(_ count: Int) throws -> [UInt8] { try Content.random(count).map { 0x61 + $0 % 26 } }

    private static func configuration(_ http1: UInt16, _ http2: UInt16) -> String {
        """
        user root;
        worker_processes 1;
        daemon off;
        pid nginx.pid;
        events { worker_connections 4096; }
        http {
            access_log off;
            client_body_temp_path body;
            proxy_temp_path proxy;
            fastcgi_temp_path fastcgi;
            uwsgi_temp_path uwsgi;
            scgi_temp_path scgi;
            client_max_body_size 0;
            keepalive_requests 1000000;
            server {
                listen 127.0.0.1:\(http1) backlog=4096;
                listen 127.0.0.1:\(http2) backlog=4096 http2;
                root html;
                location /put/ { dav_methods PUT; }
            }
        }

        """
    }
}
