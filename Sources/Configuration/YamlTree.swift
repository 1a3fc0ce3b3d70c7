// A YAML file's bytes made into one tree of nodes, within bounds and without recursion.
import Model

/// Deepest nesting taken; the format itself needs seven levels.
package let yamlDepthMax = 32
/// Most nodes taken, keys included: some thousand pools, and an end for a file that is no configuration.
package let yamlNodesMax = 200_000

/// The tree of a file. Throws what makes the rest unreadable; `duplicates` are further errors, and of the
/// keys that stand twice the tree holds the first. No root: the file holds nothing but comments.
package func parseYaml(_ bytes: [UInt8]) throws(YamlError) -> (root: YamlNode?, duplicates: [YamlError]) {
    try checkYamlText(bytes)
    guard !bytes.isEmpty else { return (nil, []) }
    var tree = YamlTree()
    try readYamlEvents(of: bytes) { (event) throws(YamlError) in try tree.take(event) }
    return (tree.root, tree.duplicates)
}

/// Grows from events. Open collections are a stack in memory, so that depth costs no call stack.
private struct YamlTree {
    /// A collection whose end has not come.
    private struct Open {
        let place: Place
        let isMapping: Bool
        var items: [YamlNode] = []
        var entries: [YamlNode.Entry] = []
        /// The key that waits for its value.
        var key: (text: String, place: Place)?
        var firstPlaces: [String: Place] = [:]
    }

    private(set) var root: YamlNode?
    private(set) var duplicates: [YamlError] = []
    private var open: [Open] = []
    private var nodes = 0
    private var documents = 0

    /// False at the stream's end.
    mutating func take(_ event: YamlEvent) throws(YamlError) -> Bool {
        switch event.kind {
        case .streamStart, .documentEnd: break
        case .streamEnd: return false
        case .documentStart:
            documents += 1
            guard documents == 1 else {
                throw YamlError(place: event.place, message: "a second document begins here; a configuration is one document, without '---' in it")
            }
        case .scalar(let text, let quoted):
            try count(at: event.place)
            guard !takesKey else { return startKey(text, at: event.place) }
            add(YamlNode(content: .scalar(text, quoted: quoted), place: event.place))
        case .sequenceStart: try start(isMapping: false, at: event.place)
        case .mappingStart: try start(isMapping: true, at: event.place)
        case .collectionEnd: end()
        }
        return true
    }

    private var takesKey: Bool { open.last.map { $0.isMapping && $0.key == nil } ?? false }

    private mutating func count(at place: Place) throws(YamlError) {
        nodes += 1
        guard nodes <= yamlNodesMax else {
            throw YamlError(place: place, message: "the file has more than \(yamlNodesMax) values; a configuration has fewer")
        }
    }

    private mutating func startKey(_ text: String, at place: Place) -> Bool {
        let top = open.count - 1
        if let first = open[top].firstPlaces[text] {
            duplicates.append(YamlError(
                place: place,
                message: "'\(text.escapedForOneLine)' stands twice: first in line \(first.line), column \(first.column); keep one of them"))
        } else {
            open[top].firstPlaces[text] = place
        }
        open[top].key = (text, place)
        return true
    }

    private mutating func start(isMapping: Bool, at place: Place) throws(YamlError) {
        try count(at: place)
        guard !takesKey else {
            throw YamlError(place: place, message: "a key is a word, not a list or a mapping; put quotes around a text that begins with '[' or '{'")
        }
        guard open.count < yamlDepthMax else {
            throw YamlError(place: place, message: "nested deeper than \(yamlDepthMax) levels; nothing in this file is")
        }
        open.append(Open(place: place, isMapping: isMapping))
    }

    private mutating func end() {
        guard let closed = open.popLast() else { return }
        add(YamlNode(content: closed.isMapping ? .mapping(closed.entries) : .sequence(closed.items), place: closed.place))
    }

    private mutating func add(_ node: YamlNode) {
        let top = open.count - 1
        guard top >= 0 else {
            root = node
            return
        }
        guard let key = open[top].key else {
            open[top].items.append(node)
            return
        }
        open[top].key = nil
        // Of a key that stands twice the first counts.
        guard open[top].firstPlaces[key.text] == key.place else { return }
        open[top].entries.append(YamlNode.Entry(key: key.text, place: key.place, value: node))
    }
}
