// How a pool's connections are made and their bytes are moved: what TCP and the kernel are asked for.

/// When bytes go from socket to socket through a pipe, without passing through user memory.
package enum Splicing: String, CaseIterable, Sendable {
    /// A direction that proves to be bulk; all others are copied.
    case auto
    /// From the first readable byte, as long as there are pipes.
    case on
    case off
}

package struct PoolTransport: Equatable, Sendable {
    package var splice: Splicing

    package init(splice: Splicing = .auto) { self.splice = splice }
}
