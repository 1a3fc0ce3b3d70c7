// The answer to an http check: HTTP/1.1 read as it comes, judged by its status and its body (RFC 9112). Sans-io.
import Model

package struct HTTPAnswer: ProbeAnswer {
    /// Most of a head, in bytes; more is no answer to a check.
    package static let headBytesMax = 16 * 1024
    /// Most of a body that is read; a longer one is judged by so much.
    package static let bodyBytesMax = 64 * 1024

    /// What is read next. A line ends with LF; a CR before it is not part of it.
    private enum Part: Equatable {
        case statusLine, headerLine
        case body(left: Int)
        case bodyToTheEnd
        case chunkSize
        case chunk(left: Int)
        case chunkEnd, trailer
    }

    private let request: HTTPRequest
    private var part = Part.statusLine
    private var line: [UInt8] = []
    private var headBytes = 0
    private var status = 0
    private var statusLine: [UInt8] = []
    private var length: Int?
    private var isChunked = false
    private var body: [UInt8] = []

    package init(to request: HTTPRequest) { self.request = request }

    package var soFar: String? {
        if !statusLine.isEmpty { return statusLine.shown(bytesMax: 80) }
        return line.isEmpty ? nil : line.shown(bytesMax: 80)
    }

    package mutating func take(_ bytes: [UInt8]) -> ProbeResult? {
        var rest = bytes[...]
        while !rest.isEmpty {
            let result: ProbeResult?
            switch part {
            case .statusLine, .headerLine, .chunkSize, .chunkEnd, .trailer: result = takeLine(&rest)
            case .body(let left):
                let count = takeBody(&rest, atMost: left)
                part = .body(left: left - count)
                result = left == count ? judged() : nil
            case .bodyToTheEnd:
                _ = takeBody(&rest, atMost: rest.count)
                result = nil
            case .chunk(let left):
                let count = takeBody(&rest, atMost: left)
                part = left == count ? .chunkEnd : .chunk(left: left - count)
                result = nil
            }
            if let result { return result }
            if body.count >= HTTPAnswer.bodyBytesMax { return judged() }
        }
        return nil
    }

    package mutating func end() -> ProbeResult {
        switch part {
        case .bodyToTheEnd: return judged()
        case .statusLine where line.isEmpty: return failure("the backend ended without a word")
        case .statusLine: return failure("the backend ended within the status line \(line.shown(bytesMax: 80))")
        case .headerLine: return failure("the backend ended within the head of \(soFar ?? "nothing")")
        case .body(let left): return failure("the backend ended \(left) bytes before the end of the body")
        case .chunkSize, .chunk, .chunkEnd, .trailer: return failure("the backend ended within the chunked body")
        }
    }

    private func failure(_ reason: String) -> ProbeResult { .failure(reason: "http: \(reason)") }

    // MARK: Lines

    private mutating func takeLine(_ rest: inout ArraySlice<UInt8>) -> ProbeResult? {
        let end = rest.firstIndex(of: 0x0A)
        let piece = rest[..<(end ?? rest.endIndex)]
        line += piece
        headBytes += piece.count + (end == nil ? 0 : 1)
        rest = end.map { rest[($0 + 1)...] } ?? []
        guard headBytes <= HTTPAnswer.headBytesMax else {
            return failure("the head is longer than \(HTTPAnswer.headBytesMax) bytes: \(soFar ?? "")")
        }
        if end != nil, line.last == 0x0D { line.removeLast() }
        // What does not begin as an answer is none, however much is still to come.
        if part == .statusLine, !Array("HTTP/1.".utf8).starts(with: line.prefix(7)) {
            return failure("no HTTP answer: \(line.shown(bytesMax: 80))")
        }
        guard end != nil else { return nil }
        defer { line = [] }
        return lineEnded()
    }

    private mutating func lineEnded() -> ProbeResult? {
        switch part {
        case .statusLine: return takeStatus()
        case .headerLine: return line.isEmpty ? headEnded() : takeHeader()
        case .chunkSize:
            guard let size = chunkSize else { return failure("a chunk's size is \(line.shown(bytesMax: 20))") }
            part = size == 0 ? .trailer : .chunk(left: size)
        case .chunkEnd:
            guard line.isEmpty else { return failure("a chunk is longer than its size says") }
            (part, headBytes) = (.chunkSize, 0)
        case .trailer:
            if line.isEmpty { return judged() }
        case .body, .bodyToTheEnd, .chunk: preconditionFailure("a body has no lines")
        }
        return nil
    }

    /// `HTTP/1.1 200 OK`; the words may be missing.
    private mutating func takeStatus() -> ProbeResult? {
        let fields = line.split(separator: 0x20, maxSplits: 2, omittingEmptySubsequences: false)
        guard fields.count >= 2, fields[0].count == 8, fields[1].count == 3, let code = number(fields[1], radix: 10), code >= 100 else {
            return failure("no HTTP answer: \(line.shown(bytesMax: 80))")
        }
        (status, statusLine, part) = (code, line, .headerLine)
        return nil
    }

    private mutating func takeHeader() -> ProbeResult? {
        guard let colon = line.firstIndex(of: 0x3A), colon > 0 else { return failure("no header: \(line.shown(bytesMax: 80))") }
        let name = String(decoding: line[..<colon], as: UTF8.self).lowercased()
        let value = line[(colon + 1)...].trimmed
        switch name {
        case "content-length":
            guard let count = number(value, radix: 10) else { return failure("the content-length is \(Array(value).shown(bytesMax: 20))") }
            length = count
        case "transfer-encoding":
            isChunked = String(decoding: value, as: UTF8.self).lowercased().hasSuffix("chunked")
        default:
            // Says nothing about whether the backend is well.
            return nil
        }
        return nil
    }

    private var chunkSize: Int? { number(line[..<(line.firstIndex(of: 0x3B) ?? line.endIndex)].trimmed, radix: 16) }

    /// Digits alone, and not more of them than a body can have.
    private func number(_ digits: ArraySlice<UInt8>, radix: Int) -> Int? {
        guard !digits.isEmpty, digits.count <= 15, digits.first != 0x2B, digits.first != 0x2D else { return nil }
        return Int(String(decoding: digits, as: UTF8.self), radix: radix)
    }

    // MARK: The answer

    private mutating func headEnded() -> ProbeResult? {
        // 100 Continue, 103 Early Hints: the answer follows.
        if status < 200, status != 101 {
            (part, statusLine, length, isChunked) = (.statusLine, [], nil, false)
            return nil
        }
        guard request.statuses.contains(where: { $0.contains(status) }) else {
            return failure("status \(status) is not \(request.statusText): \(soFar ?? "")")
        }
        if status == 101 || status == 204 || status == 304 || (!isChunked && length == 0) { return judged() }
        part = isChunked ? .chunkSize : length.map { .body(left: $0) } ?? .bodyToTheEnd
        return nil
    }

    private mutating func takeBody(_ rest: inout ArraySlice<UInt8>, atMost count: Int) -> Int {
        let piece = rest.prefix(count)
        body += piece.prefix(HTTPAnswer.bodyBytesMax - body.count)
        rest = rest.dropFirst(piece.count)
        return piece.count
    }

    /// The status is a good one; the body has come, or as much of it as is looked at.
    private func judged() -> ProbeResult {
        guard let text = request.body, !body[...].holds(Array(text.utf8)) else { return .success }
        let shown = body.isEmpty ? "it is empty" : "it begins with \(body.shown(bytesMax: 40))"
        return failure("status \(status), but the body lacks '\(text.escapedForOneLine)': \(shown)")
    }
}

extension HTTPRequest {
    /// `200-299, 401`
    package var statusText: String {
        statuses.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }.joined(separator: ", ")
    }

    /// What is sent. `address`: the backend's.
    package func bytes(to address: Endpoint) -> [UInt8] {
        let host = host ?? (address.port == nil ? "localhost" : address.description)
        return Array((
            "GET \(path) HTTP/1.1\r\nHost: \(host)\r\nUser-Agent: sluice/\(sluiceVersion)\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        ).utf8)
    }
}

extension ArraySlice where Element == UInt8 {
    /// Without blanks and tabs around it.
    fileprivate var trimmed: ArraySlice<UInt8> {
        let isBlank = { (byte: UInt8) in byte == 0x20 || byte == 0x09 }
        var rest = drop(while: isBlank)
        while let last = rest.last, isBlank(last) { rest.removeLast() }
        return rest
    }
}
