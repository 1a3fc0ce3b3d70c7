// An SMTP server behind lbd: the server speaks first, and messages arrive whole.
import Foundation
import Model
import SystemCalls
import Testing

@Suite(.lab) struct Mail {
    let lab = Lab.current

    /// Guards against a balancer that waits for the client's first byte, and against bodies that change.
    @Test("swaks: each message is delivered as it was sent")
    func messages() throws {
        let server = try ForegroundServer.start(lab, "aiosmtpd") { port in
            ["aiosmtpd", "-n", "-l", "127.0.0.1:\(port)", "-c", "aiosmtpd.handlers.Mailbox", lab.path("mail")]
        }.endpoint
        // Lines that begin with dots are doubled on the way and must be single again.
        let text = try Content.random(256 << 10).enumerated().map { $0 % 72 == 71 ? 0x0A : 0x2E + $1 % 64 }
            + Array("\n.\n..two\nlast line".utf8)
        let body = try lab.write("body", text)
        let expected = try Content.sha256(text, lab, "expected")
        let direct = try Judge.compare(lab, server) { endpoint, name in
            try ["plain", "pipelined"].map { way in
                let flags = way == "pipelined" ? ["--pipeline"] : []
                let subject = "\(name)-\(way)"
                try lab.run(
                    [
                        "swaks", "--silent", "2", "--server", "127.0.0.1", "--port", endpoint.portText(), "--helo", "judge.example",
                        "--from", "sender@judge.example", "--to", "reader@judge.example", "--header", "Subject: \(subject)",
                        "--body", "@\(body)",
                    ] + flags, within: .seconds(60)
                ).succeeded()
                return try Content.sha256(delivered(subject), lab, "\(subject).body")
            }
        }
        #expect(direct == [expected, expected])
    }

    /// The body of the message with that subject, once it lies in the mail folder; without the empty lines that
    /// swaks adds at the end.
    private func delivered(_ subject: String) throws -> [UInt8] {
        try eventually(within: .seconds(20), "the message '\(subject)'") {
            let folder = lab.path("mail/new")
            for name in try FileManager.default.contentsOfDirectory(atPath: folder) {
                let message = try Files.read("\(folder)/\(name)", bytesMax: 16 << 20)
                guard let end = message.firstRange(of: Array("\n\n".utf8)) else { continue }
                let header = String(decoding: message[..<end.lowerBound], as: UTF8.self)
                if header.contains("Subject: \(subject)\n") {
                    let last = message.lastIndex { $0 != 0x0A } ?? 0
                    return Array(message[end.upperBound...last])
                }
            }
            return nil
        }
    }
}
