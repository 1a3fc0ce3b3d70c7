// What a backend carries, in the three quantities by which its capacity is known, and that capacity.

package enum LoadQuantity: String, CaseIterable, Sendable {
    case connections
    case connectsPerSecond
    case bytesPerSecond

    /// As messages have it.
    package var words: String {
        switch self {
        case .connections: "connections"
        case .connectsPerSecond: "connects per second"
        case .bytesPerSecond: "bytes per second"
        }
    }
}

/// A load at one moment, or the highest of each quantity within a window.
package struct Load: Equatable, Sendable {
    package var connections: Double
    package var connectsPerSecond: Double
    /// Both ways together.
    package var bytesPerSecond: Double

    package init(connections: Double = 0, connectsPerSecond: Double = 0, bytesPerSecond: Double = 0) {
        self.connections = connections
        self.connectsPerSecond = connectsPerSecond
        self.bytesPerSecond = bytesPerSecond
    }

    package subscript(_ quantity: LoadQuantity) -> Double {
        switch quantity {
        case .connections: connections
        case .connectsPerSecond: connectsPerSecond
        case .bytesPerSecond: bytesPerSecond
        }
    }

    /// Of several balancers, or of several backends.
    package static func + (left: Load, right: Load) -> Load {
        Load(
            connections: left.connections + right.connections, connectsPerSecond: left.connectsPerSecond + right.connectsPerSecond,
            bytesPerSecond: left.bytesPerSecond + right.bytesPerSecond)
    }

    /// The higher of each quantity.
    package func orMore(_ other: Load) -> Load {
        Load(
            connections: max(connections, other.connections), connectsPerSecond: max(connectsPerSecond, other.connectsPerSecond),
            bytesPerSecond: max(bytesPerSecond, other.bytesPerSecond))
    }
}

/// What a backend can carry, as far as its operator knows; nil: not known.
package struct Capacity: Equatable, Sendable {
    // 16 bytes instead of 48, of which each of thousands of backends has some; 0: not known.
    private var connectionsOrZero: UInt32
    private var connectsOrZero: UInt32
    private var bytesOrZero: UInt64

    package init(connections: Int? = nil, connectsPerSecond: Int? = nil, bytesPerSecond: Int? = nil) {
        connectionsOrZero = UInt32(clamping: connections ?? 0)
        connectsOrZero = UInt32(clamping: connectsPerSecond ?? 0)
        bytesOrZero = UInt64(clamping: bytesPerSecond ?? 0)
    }

    package var connections: Int? { connectionsOrZero == 0 ? nil : Int(connectionsOrZero) }
    package var connectsPerSecond: Int? { connectsOrZero == 0 ? nil : Int(connectsOrZero) }
    package var bytesPerSecond: Int? { bytesOrZero == 0 ? nil : Int(clamping: bytesOrZero) }

    package subscript(_ quantity: LoadQuantity) -> Double? {
        switch quantity {
        case .connections: connections.map(Double.init)
        case .connectsPerSecond: connectsPerSecond.map(Double.init)
        case .bytesPerSecond: bytesPerSecond.map(Double.init)
        }
    }

    /// What is not known here is taken from `other`.
    package func completed(by other: Capacity) -> Capacity {
        Capacity(
            connections: connections ?? other.connections, connectsPerSecond: connectsPerSecond ?? other.connectsPerSecond,
            bytesPerSecond: bytesPerSecond ?? other.bytesPerSecond)
    }

    package var isEmpty: Bool { self == Capacity() }
}
