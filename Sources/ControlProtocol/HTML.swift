// Markup as a value: its literals are markup, and what is put into them is text.

/// `"<b>\(name)</b>" as HTML`: a String or a number that is put in becomes text in which nothing is markup; only another
/// `HTML` stays what it is. So nothing from outside becomes markup by being forgotten.
package struct HTML: ExpressibleByStringInterpolation, Sendable {
    package private(set) var text: String

    package init(stringLiteral value: String) { text = value }
    package init(stringInterpolation: StringInterpolation) { text = stringInterpolation.text }

    package struct StringInterpolation: StringInterpolationProtocol {
        fileprivate var text = ""

        package init(literalCapacity: Int, interpolationCount: Int) { text.reserveCapacity(literalCapacity + 16 * interpolationCount) }

        package mutating func appendLiteral(_ literal: String) { text += literal }
        package mutating func appendInterpolation(_ value: String) { text += HTMLText.escaped(value) }
        package mutating func appendInterpolation(_ value: some BinaryInteger) { text += "\(value)" }
        package mutating func appendInterpolation(_ value: HTML) { text += value.text }
        package mutating func appendInterpolation(_ values: [HTML]) { for value in values { text += value.text } }
    }

    package static func += (left: inout HTML, right: HTML) { left.text += right.text }

    /// Bytes as they are sent.
    package var size: Int { text.utf8.count }
}
