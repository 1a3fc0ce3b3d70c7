// Whom a listener serves: networks that are allowed, networks that are denied. Pure.
import Model

/// A denied network wins over an allowed one, and whoever is in neither is not served.
///
/// A lookup compares the address with each network in turn, two masked words each: with the 64 networks that a
/// list may have about 50 ns, once per connection. A tree would win only from some hundred networks on.
package enum AccessList {
    @inlinable package static func admits(_ address: IPAddress, allow: Span<Network>, deny: Span<Network>) -> Bool {
        !holds(address, deny) && holds(address, allow)
    }

    @inlinable package static func holds(_ address: IPAddress, _ networks: Span<Network>) -> Bool {
        let address = address.unmapped
        for index in networks.indices where networks[index].contains(address) { return true }
        return false
    }

    /// Whether the lists make no difference, so that nobody's address need be asked for.
    package static func admitsEverybody(allow: [Network], deny: [Network]) -> Bool {
        guard deny.isEmpty else { return false }
        return [IPAddress.Family.ipv4, .ipv6].allSatisfy { family in
            allow.contains { $0.isEverything && $0.base.family == family }
        }
    }
}
