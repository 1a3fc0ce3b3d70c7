// Answers to banner checks. Faults: an answer cut into pieces taken for a wrong one, a text across a cut missed, a
// backend that talks for ever read for ever, a failure that does not say what came.
import Decisions
import Model
import TestSupport
import Testing

/// Given piece by piece; what `end` says where nothing was certain before.
private func result(_ answer: some ProbeAnswer, _ pieces: [[UInt8]]) -> ProbeResult {
    var answer = answer
    for piece in pieces {
        if let result = answer.take(piece) { return result }
    }
    return answer.end()
}

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

extension ProbeResult {
    fileprivate var reason: String {
        switch self {
        case .success: "success"
        case .failure(let reason), .inconclusive(let reason): reason
        }
    }
}

struct BannerAnswerTests {
    private let prefix = BannerAnswer(expect: "220 ", match: .prefix)
    private let contained = BannerAnswer(expect: "redis_version:7", match: .contains)

    @Test func anyCutIsTheSame() {
        let text = bytes("220 mail.example ESMTP\r\n"), info = bytes("$90\r\n# Server\r\nredis_version:7.0.15\r\n")
        for cut in 0...text.count { #expect(result(prefix, [Array(text[..<cut]), Array(text[cut...])]) == .success) }
        for cut in 0...info.count { #expect(result(contained, [Array(info[..<cut]), Array(info[cut...])]) == .success) }
        #expect(result(prefix, text.map { [$0] }) == .success)
        #expect(result(contained, info.map { [$0] }) == .success)
    }

    @Test func repeatsAreNotSkipped() {
        #expect(result(BannerAnswer(expect: "aab", match: .contains), [bytes("aa"), bytes("aab")]) == .success)
    }

    @Test func theReasonSaysWhatCame() {
        #expect(result(prefix, [bytes("554 no"), bytes(" service")]).reason == "banner: expected '220 ', got '554 no'")
        #expect(result(prefix, [bytes("22")]).reason == "banner: expected '220 ', and the backend ended after '22'")
        #expect(result(prefix, []).reason == "banner: expected '220 ', and the backend ended without a word")
        #expect(result(contained, [bytes("-NOAUTH")]).reason == "banner: expected 'redis_version:7', and the backend ended after '-NOAUTH'")
    }

    @Test func whoTalksForEverIsJudgedByTheBeginning() {
        var endless = contained
        var taken = 0
        var result: ProbeResult?
        while result == nil, taken < 1000 {
            result = endless.take([UInt8](repeating: 0x61, count: 1000))
            taken += 1
        }
        #expect(taken == 17, "\(taken) kB were read")
        #expect(result?.reason.contains("the first 16384 bytes lack it") == true, "\(result?.reason ?? "nothing")")
    }
}

struct HTTPAnswerTests {
    private func judged(_ text: String, _ request: HTTPRequest = HTTPRequest()) -> ProbeResult { result(HTTPAnswer(to: request), [bytes(text)]) }

    private let ready = HTTPRequest(body: "ready")
    private static let good = [
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nnot ready",
        "HTTP/1.1 200 OK\r\ncontent-length:\t9 \r\n\r\nnot ready",
        "HTTP/1.0 200 OK\n\nnot ready",
        "HTTP/1.1 200\r\n\r\nnot ready",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;x=y\r\nnot \r\n3\r\nrea\r\n2\r\ndy\r\n0\r\nTrailer: x\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nnot ready",
    ]

    @Test("an answer cut anywhere, or byte by byte, is the same answer", arguments: good)
    func anyCut(text: String) {
        let whole = bytes(text)
        for cut in 0...whole.count {
            #expect(result(HTTPAnswer(to: ready), [Array(whole[..<cut]), Array(whole[cut...])]) == .success, "cut at \(cut)")
        }
        #expect(result(HTTPAnswer(to: ready), whole.map { [$0] }) == .success)
    }

    @Test("an answer that ends too early is none, wherever it ends", arguments: good)
    func anyEnd(text: String) {
        let whole = bytes(text)
        let endsByClose = !text.lowercased().contains("length") && !text.contains("chunked")
        for end in 0..<whole.count where !endsByClose || end < text.utf8.count - 9 {
            // What ends by the close alone can be cut within its body unseen.
            let cut = result(HTTPAnswer(to: HTTPRequest()), [Array(whole[..<end])])
            if !endsByClose { #expect(cut != .success, "ended at \(end)") }
            #expect(cut.reason.hasPrefix("http: ") || cut == .success)
        }
    }

    @Test func statusDecides() {
        #expect(judged("HTTP/1.1 503 Service Unavailable\r\n\r\n").reason
            == "http: status 503 is not 200-299: 'HTTP/1.1 503 Service Unavailable'")
        #expect(judged("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n") != .success)
        #expect(judged("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", HTTPRequest(statuses: [200...399])) == .success)
        #expect(judged("HTTP/1.1 401 No\r\n\r\n", HTTPRequest(statuses: [200...299, 401...401])) == .success)
        #expect(judged("HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n") == .success)
    }

    @Test func bodyDecides() {
        #expect(judged("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsorry", ready).reason
            == "http: status 200, but the body lacks 'ready': it begins with 'sorr'")
        #expect(judged("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ready).reason == "http: status 200, but the body lacks 'ready': it is empty")
    }

    @Test("what is no HTTP is told as what it is", arguments: [
        ("SSH-2.0-OpenSSH_9.2\r\n", "http: no HTTP answer: 'SSH-2.0-OpenSSH_9.2'"),
        ("<html>", "http: no HTTP answer: '<html>'"),
        ("HTTP/1.1 OK 200\r\n\r\n", "http: no HTTP answer: 'HTTP/1.1 OK 200'"),
        ("HTTP/1.1 +20 x\r\n\r\n", "http: no HTTP answer: 'HTTP/1.1 +20 x'"),
        ("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "http: no header: 'no colon'"),
        ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "http: the content-length is '-1'"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "http: a chunk's size is 'xyz'"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", "http: a chunk is longer than its size says"),
        ("", "http: the backend ended without a word"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", "http: the backend ended 2 bytes before the end of the body"),
    ])
    func malformed(text: String, reason: String) {
        #expect(judged(text).reason == reason)
    }

    @Test func boundedHoweverLong() {
        var answer = HTTPAnswer(to: ready)
        var head = answer.take(bytes("HTTP/1.1 200 OK\r\n"))
        var taken = 0
        while head == nil, taken < 100 {
            head = answer.take(bytes("X-Long: \(String(repeating: "x", count: 990))\r\n"))
            taken += 1
        }
        #expect(taken == 17 && head?.reason.contains("the head is longer than 16384 bytes") == true)
        var endless = HTTPAnswer(to: ready)
        #expect(endless.take(bytes("HTTP/1.1 200 OK\r\n\r\n")) == nil)
        var body: ProbeResult?
        taken = 0
        while body == nil, taken < 1000 {
            body = endless.take([UInt8](repeating: 0x61, count: 1000))
            taken += 1
        }
        #expect(taken == 66 && body?.reason.contains("the body lacks 'ready'") == true)
        // A good page that is long is a good page.
        var long = HTTPAnswer(to: HTTPRequest())
        #expect(long.take(bytes("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n") + [UInt8](repeating: 0x61, count: 70_000)) == .success)
    }

    /// Whatever comes: no crash, and the same verdict for every cut.
    @Test func mutatedAnswersAreJudgedTheSameHoweverCut() {
        var random = SeededGenerator(seed: SeededGenerator.seed)
        for _ in 0..<3000 {
            var text = bytes(HTTPAnswerTests.good.randomElement(using: &random)!)
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                text[Int.random(in: 0..<text.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            let whole = result(HTTPAnswer(to: ready), [text])
            let cut = Int.random(in: 0...text.count, using: &random)
            let pieces = result(HTTPAnswer(to: ready), [Array(text[..<cut]), Array(text[cut...])])
            #expect((whole == .success) == (pieces == .success), "SEED=\(SeededGenerator.seed): \(text)")
        }
    }

    @Test func theRequestIsWhole() throws {
        let text = String(decoding: HTTPRequest(path: "/up?x=1").bytes(to: try Endpoint("[::1]:80")), as: UTF8.self)
        #expect(text.hasPrefix("GET /up?x=1 HTTP/1.1\r\nHost: [::1]:80\r\n"))
        #expect(text.hasSuffix("Connection: close\r\n\r\n"))
        #expect(String(decoding: HTTPRequest(host: "a.example").bytes(to: try Endpoint("10.0.0.1:80")), as: UTF8.self).contains("Host: a.example\r\n"))
        #expect(String(decoding: HTTPRequest().bytes(to: .unix(path: "/run/x")), as: UTF8.self).contains("Host: localhost\r\n"))
    }
}
