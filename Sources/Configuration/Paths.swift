// Relative paths of the file made absolute, so that the folder a program starts in never matters.

/// Without empty and `.` parts, so that two spellings of one path compare equal. `..` stays: what it means
/// depends on symbolic links.
func absolutePath(_ path: String, in folder: String) -> String {
    let joined = path.utf8.first == 0x2F ? path : folder + "/" + path
    let parts = joined.utf8.split(separator: 0x2F).map { String(Substring($0)) }.filter { $0 != "." }
    return "/" + parts.joined(separator: "/")
}

/// An endpoint's text with its path absolute, where it has one.
func absoluteEndpoint(_ text: String, in folder: String) -> String {
    let scheme = "unix:"
    guard text.hasPrefix(scheme), text != scheme else { return text }
    return scheme + absolutePath(String(text.dropFirst(scheme.count)), in: folder)
}
