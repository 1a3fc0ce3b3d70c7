// Networks as the file writes them. Faults: a shift by the whole width, a bit too many or too few.
import Model
import Testing

struct NetworkTests {
    @Test("first and last address inside, those beside outside", arguments: [
        ("10.0.0.0/8", "10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0"),
        ("192.0.2.128/25", "192.0.2.128", "192.0.2.255", "192.0.2.127", "192.0.3.0"),
        ("192.0.2.7", "192.0.2.7", "192.0.2.7", "192.0.2.6", "192.0.2.8"),
        ("128.0.0.0/1", "128.0.0.0", "255.255.255.255", "127.255.255.255", "::"),
        ("0.0.0.0/0", "0.0.0.0", "255.255.255.255", "::", "::ffff:1.2.3.4"),
        ("::/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "0.0.0.0", "255.255.255.255"),
        ("2001:db8::/32", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db7:ffff::", "2001:db9::"),
        ("2001:db8:0:1::/64", "2001:db8:0:1::", "2001:db8:0:1:ffff:ffff:ffff:ffff", "2001:db8:0:0:ffff::", "2001:db8:0:2::"),
        ("2001:db8::/63", "2001:db8::", "2001:db8:0:1:ffff::", "2001:db7::", "2001:db8:0:2::"),
        ("2001:db8::8000:0:0:0/65", "2001:db8::8000:0:0:0", "2001:db8::ffff:0:0:0", "2001:db8::7fff:0:0:0", "2001:db8:0:1::"),
        ("::1", "::1", "::1", "::", "::2"),
    ])
    func bounds(text: String, first: String, last: String, below: String, above: String) throws {
        let network = try Network(text)
        for (address, isInside) in [(first, true), (last, true), (below, false), (above, false)] {
            #expect(network.contains(try #require(IPAddress(address))) == isInside, "\(address)")
        }
        #expect(try Network(network.description) == network)
    }

    @Test("what is no network is told what would be one", arguments: [
        ("10.0.0.1/8", "'10.0.0.1/8' names a host and a network at once: write 10.0.0.0/8 for the network, or 10.0.0.1 for the host"),
        ("2001:db8::1/64", "'2001:db8::1/64' names a host and a network at once: write 2001:db8::/64 for the network, or 2001:db8::1 for the host"),
        ("10.0.0.0/33", "'10.0.0.0/33' has no good prefix: write a whole number from 0 to 32 after the '/'"),
        ("::/129", "'::/129' has no good prefix: write a whole number from 0 to 128 after the '/'"),
        ("10.0.0.0/", "'10.0.0.0/' has no good prefix: write a whole number from 0 to 32 after the '/'"),
        ("10.0.0.0/+8", "'10.0.0.0/+8' has no good prefix: write a whole number from 0 to 32 after the '/'"),
        ("10.0.0.0/08", "'10.0.0.0/08' has no good prefix: write a whole number from 0 to 32 after the '/'"),
        ("10.0.0.0/255.0.0.0", "'10.0.0.0/255.0.0.0' has no good prefix: write a whole number from 0 to 32 after the '/'"),
        ("localhost", "'localhost' is no network: write ADDRESS/PREFIX such as 10.0.0.0/8 or 2001:db8::/32, or one address"),
        ("10.0.0/8", "'10.0.0/8' is no network: write ADDRESS/PREFIX such as 10.0.0.0/8 or 2001:db8::/32, or one address"),
        ("", "'' is no network: write ADDRESS/PREFIX such as 10.0.0.0/8 or 2001:db8::/32, or one address"),
        ("::ffff:10.0.0.0/104", "'::ffff:10.0.0.0/104' is an IPv4 network in IPv6's clothes and would match nothing: write 10.0.0.0/8"),
    ])
    func refused(text: String, why: String) {
        #expect(throws: NetworkError(description: why)) { try Network(text) }
    }

    @Test("a network begins where the bits behind its prefix are 0", arguments: [
        ("192.0.2.255", 32, "192.0.2.255"), ("192.0.2.255", 25, "192.0.2.128"), ("192.0.2.255", 1, "128.0.0.0"),
        ("2001:db8:1:2:3:4:5:6", 128, "2001:db8:1:2:3:4:5:6"), ("2001:db8:1:2:3:4:5:6", 64, "2001:db8:1:2::"),
        ("2001:db8:1:2:3:4:5:6", 65, "2001:db8:1:2::"), ("2001:db8:1:2:ff00::", 72, "2001:db8:1:2:ff00::"), ("2001:db8:1:2::", 32, "2001:db8::"),
    ])
    func start(address: String, prefix: Int, start: String) throws {
        #expect(try #require(IPAddress(address)).start(ofPrefix: prefix).description == start)
    }

    @Test("addresses go to endpoints and back")
    func addresses() throws {
        for text in ["1.2.3.4:5", "[2001:db8::7]:443", "[::]:0", "255.255.255.255:65535"] {
            #expect(IPEndpoint(try Endpoint(text))?.description == text)
        }
        #expect(IPEndpoint(.unix(path: "/x")) == nil)
        #expect(IPAddress("::ffff:1.2.3.4")?.unmapped == IPAddress("1.2.3.4"))
        #expect(IPAddress("1.2.3.4]:1") == nil && IPAddress("::1]:1 [::") == nil)
    }
}
