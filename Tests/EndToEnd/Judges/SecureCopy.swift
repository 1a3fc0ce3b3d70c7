// OpenSSH behind lbd: a large file there and back.
import Glibc
import Model
import Testing

@Suite(.lab(.heavy)) struct SecureCopy {
    let lab = Lab.current

    /// Guards against a single byte changed in a long stream: SSH would end the connection, and the digest differ.
    @Test("scp there and back: the same SHA-256")
    func file() throws {
        let server = try sshd()
        let file = try Content.randomFile(Scale.of(64 << 20, full: 1 << 30), lab, "file")
        let expected = try Content.sha256(file: file, lab)
        try Judge.compare(lab, server) { endpoint, name in
            let there = lab.path("\(name).there"), back = lab.path("\(name).back")
            try copy(file, "127.0.0.1:\(there)", endpoint)
            try copy("127.0.0.1:\(there)", back, endpoint)
            let digests = try [there, back].map { try Content.sha256(file: $0, lab) }
            try lab.run(["rm", there, back]).succeeded()
            #expect(digests == [expected, expected], "\(name)")
            return digests
        }
    }

    private func copy(_ from: String, _ to: String, _ endpoint: Endpoint) throws {
        let options = [
            "BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR",
        ]
        let flags = ["-F", "/dev/null", "-P", try endpoint.portText(), "-i", lab.path("user-key")]
        let arguments = flags + options.flatMap { ["-o", $0] } + [from, to]
        try lab.run(["scp"] + arguments, within: .seconds(Scale.of(60, full: 600))).succeeded()
    }

    /// A server for the user of this test alone, with keys of its own.
    private func sshd() throws -> Endpoint {
        for key in ["host-key", "user-key"] {
            try lab.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", lab.path(key)]).succeeded()
        }
        // As root sshd insists on this folder, which a service would make.
        let prelude = getuid() == 0 ? "mkdir -p -m 755 /run/sshd" : ":"
        // sshd starts itself anew for each connection, and so wants its own path.
        let program = try Installed.program("sshd")
        return try ForegroundServer.start(lab, "sshd", prelude: prelude) { port in
            [program, "-D", "-e", "-f", try lab.write("sshd_config", configuration(port))]
        }.endpoint
    }

    private func configuration(_ port: UInt16) -> String {
        """
        ListenAddress 127.0.0.1
        Port \(port)
        PidFile none
        HostKey \(lab.path("host-key"))
        AuthorizedKeysFile \(lab.path("user-key.pub"))
        StrictModes no
        UsePAM no
        PasswordAuthentication no
        KbdInteractiveAuthentication no
        PermitRootLogin prohibit-password
        Subsystem sftp internal-sftp

        """
    }
}
