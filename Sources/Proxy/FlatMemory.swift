// Plain values that the control plane lays out once and workers read in place: no reference counting, no copies.

/// One value in memory of its own, read where it lies, without reference counting. Its owner frees it.
struct Cell<Value: Sendable>: @unchecked Sendable {
    // Invariant: nothing writes to it after `init`; nobody reads it after `free`.
    private let pointer: UnsafeMutablePointer<Value>

    init(_ value: Value) {
        pointer = .allocate(capacity: 1)
        pointer.initialize(to: value)
    }

    var value: Value { @inline(__always) unsafeAddress { UnsafePointer(pointer) } }

    func free() { pointer.deallocate() }
}

/// Plain values in a row of memory, without reference counting. Its owner frees it.
struct Row<Element: BitwiseCopyable>: @unchecked Sendable {
    private let start: UnsafeMutablePointer<Element>
    let count: Int

    init(_ elements: [Element]) {
        count = elements.count
        start = .allocate(capacity: max(1, count))
        for (index, element) in elements.enumerated() { (start + index).initialize(to: element) }
    }

    subscript(index: Int) -> Element {
        assert((0..<count).contains(index), "within the row")
        return start[index]
    }

    func pointer(to index: Int) -> UnsafePointer<Element> {
        assert((0..<count).contains(index), "within the row")
        return UnsafePointer(start + index)
    }

    func withSpan<Result>(_ body: (Span<Element>) -> Result) -> Result {
        body(UnsafeBufferPointer(start: start, count: count).span)
    }

    func free() { start.deallocate() }
}
