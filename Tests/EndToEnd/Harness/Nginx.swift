// Real nginx processes as backends, each restarted by a script as an operator would: quit, wait, start.
import Glibc
import Model
import SystemCalls
import Testing

struct Nginx {
    let name: String
    let endpoint: Endpoint
    private let folder: String

    /// Starts a daemon with its pid file in `LAB/NAME`. `/` answers at once, `/slow` takes about two seconds.
    init(_ lab: Lab, _ name: String) throws {
        self.name = name
        folder = lab.path(name)
        let folder = folder
        endpoint = try FreePort.starting { port in
            try lab.write("\(name)/nginx.conf", Nginx.configuration(port))
            try lab.write("\(name)/html/index.html", "\(name)\n")
            try lab.write("\(name)/html/slow", [UInt8](repeating: 0x2E, count: 200 * 1024))
            let end = try lab.run([Installed.program("nginx")] + Nginx.flags(folder))
            guard end.status == 0 else { throw HarnessError("nginx did not start: \(end)") }
            return .loopback(port)
        }
        _ = try process()
    }

    /// The master's pid, from its pid file.
    func process() throws -> pid_t {
        try eventually(within: .seconds(5), "nginx's pid file in \(folder)") {
            guard access("\(folder)/nginx.pid", R_OK) == 0 else { return nil }
            let text = String(decoding: try Files.read("\(folder)/nginx.pid", bytesMax: 100), as: UTF8.self)
            return pid_t(text.split(separator: "\n").first ?? "")
        }
    }

    /// A script `restart-nginx NAME` for rollouts; its path.
    static func restartScript(_ lab: Lab) throws -> String {
        let command = try (["\(Installed.program("nginx"))"] + flags("\(lab.folder)/$1")).joined(separator: " ")
        return try lab.write("restart-nginx", """
            #!/bin/sh
            # Stops one nginx, waits until its process is gone, starts it again: restart-nginx NAME
            set -e
            pid=$(cat "\(lab.folder)/$1/nginx.pid")
            \(command) -s quit
            while kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
            exec \(command)

            """)
    }

    /// A script `release-nginx NAME RELEASE` for rollouts, which notes in `LAB/releases` what it was asked for; its path. The
    /// release `bad` resets one connection in twenty.
    static func releaseScript(_ lab: Lab) throws -> String {
        try lab.write("release-nginx", """
            #!/bin/sh
            # Puts a release on one nginx and restarts it: release-nginx NAME RELEASE
            set -e
            echo "$1 $2" >> "\(lab.folder)/releases"
            case "$2" in
            bad) echo 'reset_timedout_connection on; if ($unlucky) { return 444; }' > "\(lab.folder)/$1/release.conf" ;;
            *) rm -f "\(lab.folder)/$1/release.conf" ;;
            esac
            exec "\(try restartScript(lab))" "$1"

            """)
    }

    private static func flags(_ folder: String) -> [String] {
        ["-p", folder, "-e", "\(folder)/error.log", "-c", "\(folder)/nginx.conf"]
    }

    private static func configuration(_ port: UInt16) -> String {
        """
        user root;
        worker_processes 1;
        daemon on;
        pid nginx.pid;
        error_log error.log;
        events { worker_connections 4096; }
        http {
            access_log off;
            client_body_temp_path body;
            proxy_temp_path proxy;
            fastcgi_temp_path fastcgi;
            uwsgi_temp_path uwsgi;
            scgi_temp_path scgi;
            split_clients "$connection $msec" $unlucky { 5% 1; * 0; }
            server {
                listen 127.0.0.1:\(port) backlog=4096;
                root html;
                location = /slow { limit_rate 100k; }
                include release*.conf;
            }
        }

        """
    }
}
