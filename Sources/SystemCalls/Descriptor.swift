// A file descriptor with exactly one owner: it is closed when the owner lets go of it.
import Glibc

package struct Descriptor: ~Copyable, Sendable {
    /// For handing to a call; never to be closed by the caller.
    package let number: Int32

    /// Takes over an open descriptor.
    package init(owning number: Int32) {
        precondition(number >= 0, "a descriptor is not negative")
        self.number = number
    }

    deinit {
        // Linux frees the number even where close() reports an error, so there is nothing to retry.
        _ = Glibc.close(number)
    }

    /// Gives the ownership to whoever takes the number.
    package consuming func release() -> Int32 {
        let number = number
        discard self
        return number
    }
}
