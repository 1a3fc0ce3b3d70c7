// Addresses. Faults: a text that one reader takes for another address than the next (octal groups, signs), a round
// trip that changes the address.
import Model
import Testing

struct EndpointTests {
    @Test(arguments: [
        "127.0.0.1:80", "0.0.0.0:0", "255.255.255.255:65535", "[::1]:80", "[::]:0", "[2001:db8::1]:443",
        "[fe80::1:2:3:4]:9", "unix:run/lbd.sock", "unix:/a b/ü.sock",
    ])
    func roundTrip(_ text: String) throws {
        #expect(try Endpoint(text).description == text)
    }

    @Test func parts() throws {
        let four = try Endpoint("10.1.2.3:8080")
        #expect(four == .ipv4(0x0A01_0203, port: 8080) && four.host == "10.1.2.3" && four.port == 8080)
        let six = try Endpoint("[::1]:53")
        #expect(six.host == "::1" && six.port == 53)
        let unix = try Endpoint("unix:/run/x")
        #expect(unix.host == "/run/x" && unix.port == nil)
    }

    @Test(arguments: [
        "", ":", ":80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:-1", "127.0.0.1:+1", "127.0.0.1:0x50", "127.0.0.1: 80",
        "127.0.0.1:65536", "127.0.0.1:99999999999999999999", "127.0.0.1:8\n", "127.1:80", "127.0.0.256:80",
        "127.0.0.01:80", "0x7f.0.0.1:80", "1.2.3.4.5:80", "-1.2.3.4:80", "localhost:80", "::1:80", "[::1]", "[::1]80",
        "[::1:80", "[]:80", "[127.0.0.1]:80", "[::1%lo]:80", "unix:", "unix:a\0b", "٧.0.0.1:80",
        "unix:" + String(repeating: "x", count: 108),
    ])
    func refuses(_ text: String) {
        #expect(throws: EndpointError.self) { try Endpoint(text) }
    }

    @Test func errorsStayOnOneLineAndNameTheRemedy() {
        let error = #expect(throws: EndpointError.self) { try Endpoint("we\nb:80") }
        #expect(error?.description == "'we\\nb' is no IPv4 address; host names are not looked up: write the number")
    }

    @Test func longestUnixPathIsThatOfTheKernel() throws {
        let path = String(repeating: "x", count: 107)
        #expect(try Endpoint("unix:\(path)") == .unix(path: path))
    }
}

struct IPv6GroupsTests {
    /// RFC 4291 in, RFC 5952 out.
    @Test(arguments: [
        ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("2001:0db8::0001", "2001:db8::1"), ("2001:DB8::A", "2001:db8::a"),
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"), ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"),
        ("0:0:0:0:0:0:0:0", "::"), ("::", "::"), ("1::", "1::"), ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
        ("::ffff:192.0.2.128", "::ffff:c000:280"), ("64:ff9b::1.2.3.4", "64:ff9b::102:304"),
        ("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"), ("0:1:2:3:4:5:6:7", "0:1:2:3:4:5:6:7"),
    ])
    func samples(_ text: String, _ canonical: String) throws {
        let groups = try #require(IPv6Groups(text))
        #expect(groups.description == canonical)
        #expect(IPv6Groups(canonical) == groups)
    }

    /// `-0` and `+1` are numbers to UInt16, but no groups; IPv4 may stand at the very end only.
    @Test(arguments: [
        "", ":", ":::", "1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "::-0", "-0::", "::+1", "12345::", "g::",
        "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", ":1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8:", "1:::2", "::1 ", "::1%lo",
        "1.2.3.4::", "1.2.3.4::1", "::1.2.3.4:1", "::1.2.3", "::1.2.3.256", "::1.2.3.04", "1:2:3:4:5:6:7:1.2.3.4",
    ])
    func refuses(_ text: String) {
        #expect(IPv6Groups(text) == nil)
    }
}
