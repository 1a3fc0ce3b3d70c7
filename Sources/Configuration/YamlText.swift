// The bytes of a configuration file checked as text: UTF-8, no NUL, lines that every editor counts alike.

/// Throws at the first byte that cannot stand in a configuration file.
func checkYamlText(_ bytes: [UInt8]) throws(YamlError) {
    var line = 1
    var column = 1
    var decoder = UTF8()
    // A byte order mark says nothing in UTF-8; editors show no column for it.
    var rest = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes.dropFirst(3).makeIterator() : bytes[...].makeIterator()
    var afterReturn = false
    while true {
        let place = Place(line: line, column: column)
        switch decoder.decode(&rest) {
        case .emptyInput:
            if afterReturn { throw loneReturn(line: line, column: column) }
            return
        case .error:
            throw YamlError(place: place, message: isBinary(bytes) ? noText : "this is not UTF-8; save the file in that encoding")
        case .scalarValue(let scalar):
            if afterReturn, scalar != "\n" { throw loneReturn(line: line, column: column) }
            if let reason = refusal(of: scalar) { throw YamlError(place: place, message: isBinary(bytes) ? noText : reason) }
            afterReturn = scalar == "\r"
            (line, column) = scalar == "\n" ? (line + 1, 1) : (line, column + 1)
        }
    }
}

private let noText = "this is not a text file: it holds NUL bytes"

/// A program, an archive, an image. Text in UTF-16 has NUL bytes too, and is better told of its encoding.
private func isBinary(_ bytes: [UInt8]) -> Bool {
    bytes.contains(0) && !bytes.starts(with: [0xFF, 0xFE]) && !bytes.starts(with: [0xFE, 0xFF])
}

/// libyaml takes a lone CR for a line break and editors do not: the lines of later errors would be wrong.
private func loneReturn(line: Int, column: Int) -> YamlError {
    YamlError(
        place: Place(line: line, column: column - 1),
        message: "a carriage return without a line feed; end lines with LF or CR LF")
}

private func refusal(of scalar: Unicode.Scalar) -> String? {
    switch scalar.value {
    case 0x09, 0x0A, 0x0D, 0x20...0x7E: nil
    case 0x85, 0x2028, 0x2029:
        "U+\(hexadecimal(scalar)) is a line break to YAML and to no editor; write it as an escape in double quotes"
    case 0..<0xA0, 0xFEFF, 0xFFFE, 0xFFFF:
        "U+\(hexadecimal(scalar)) is a control character; write it as an escape in double quotes"
    default: nil
    }
}

private func hexadecimal(_ scalar: Unicode.Scalar) -> String {
    let digits = String(scalar.value, radix: 16, uppercase: true)
    return String(repeating: "0", count: max(0, 4 - digits.utf8.count)) + digits
}
