// libyaml's terse complaints turned into a sentence that says what to do.

/// For the start of some of libyaml's problems: what a person most likely has to change.
private let remedies: [(problem: String, remedy: String)] = [
    ("found character that cannot start any token", "indent with spaces, not tabs, and put quotes around a value that begins with '@', '`' or '%'"),
    ("found a tab character", "indent with spaces, not tabs"),
    ("mapping values are not allowed", "check the indentation, and put quotes around a value that holds ': '"),
    ("did not find expected key", "check the indentation, and put quotes around a value that begins with '[', '{' or a quote"),
    ("did not find expected <document start>", "check the indentation, and put quotes around a value that begins with '[', '{' or a quote"),
    ("did not find expected '-' indicator", "check the indentation of the list"),
    ("could not find expected ':'", "write 'KEY: VALUE' with a space after the colon"),
    ("did not find expected ',' or", "close the bracket, and put commas between its items"),
    ("did not find expected node content", "put quotes around a value that begins with one of [ ] { } , * & ! % @ `"),
    ("did not find expected alphabetic or numeric", "put quotes around a value that begins with '*' or '&'; for all addresses write 0.0.0.0:PORT or \"[::]:PORT\""),
    ("found unexpected end of stream", "a quote was opened and never closed"),
    ("found unknown escape character", "in double quotes write \\\\ for a backslash, or use single quotes"),
    ("block sequence entries are not allowed", "begin a list on its own line"),
    ("exceeded maximum", "nothing in this file is nested so deep"),
]

/// `problem` and `context` as libyaml words them.
func yamlProblemText(_ problem: String, context: (text: String, place: Place)?, at place: Place) -> String {
    var text = "this is not YAML: \(problem)"
    if let context {
        text += " \(context.text)"
        if context.place.line != place.line { text += " that begins in line \(context.place.line)" }
    }
    let remedy = remedies.first { problem.hasPrefix($0.problem) || context?.text.hasPrefix($0.problem) == true }
    return text + "; " + (remedy?.remedy ?? "check indentation, quotes and brackets here and in the line before")
}
