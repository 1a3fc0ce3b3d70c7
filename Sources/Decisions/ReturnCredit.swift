// How a backend that is held back gets its share of a pool's connections, evenly: with each choice in the pool its
// credit grows by its share, and a connection costs one. Nothing but the choices is a clock, so that it gets the same
// part of a thousand connections a second as of ten.

@frozen package struct ReturnCredit: BitwiseCopyable, Sendable {
    @usableFromInline var amount: Double
    /// The choice up to which it has grown.
    @usableFromInline var asOf: UInt64

    @inlinable package init(amount: Double, asOf: UInt64 = 0) { (self.amount, self.asOf) = (amount, asOf) }

    /// Two connections: one whose turn comes a little early or late loses nothing, and nobody saves up for a burst.
    @inlinable static var most: Double { 2 }

    /// `growth`: with each choice.
    @inlinable package func amount(at choice: UInt64, growth: Double) -> Double {
        min(ReturnCredit.most, amount + Double(choice &- asOf) * growth)
    }

    /// Whether it has enough for a connection.
    @inlinable package func suffices(at choice: UInt64, growth: Double) -> Bool { amount(at: choice, growth: growth) >= 1 }

    /// A connection was sent there; perhaps for want of another backend, and then the credit may not have sufficed.
    @inlinable package mutating func take(at choice: UInt64, growth: Double) {
        amount = max(0, amount(at: choice, growth: growth) - 1)
        asOf = choice
    }

    /// By `source-hash`: whether a client is among those that a backend gets at `share`, in 1/256. Whoever is among
    /// them at a small share is so at every larger one, on each balancer. By another part of the hash than the table's.
    @inlinable package static func admits(hash: UInt64, share: Int) -> Bool {
        Int((hash &* 0x9E37_79B9_7F4A_7C15) >> 56) < share
    }
}
