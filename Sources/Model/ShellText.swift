// Words as they have to be typed in a POSIX shell.

extension String {
    package var shellQuoted: String {
        let plain = !isEmpty && utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."),
                UInt8(ascii: "/"), UInt8(ascii: ":"), UInt8(ascii: "="), UInt8(ascii: ","), UInt8(ascii: "@"), UInt8(ascii: "+"):
                true
            default: false
            }
        }
        guard !plain else { return self }
        return "'" + reduce(into: "") { $0 += $1 == "'" ? "'\\''" : String($1) } + "'"
    }
}
