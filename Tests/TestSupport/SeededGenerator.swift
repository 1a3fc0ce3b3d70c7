// Randomness that can be repeated: `SEED=7 swift test` runs every property with that seed.
import Glibc

/// SplitMix64 (G. Steele, D. Lea, C. Flood 2014): small, and the same on every machine.
package struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// From the environment's SEED, else 1. To be named by every expectation that depends on it.
    package static var seed: UInt64 { getenv("SEED").flatMap { UInt64(String(cString: $0)) } ?? 1 }
}
