// The nodes of a YAML file, each with its place, and the border to libyaml, whose events they are made of.
import CYaml

/// Where something stands in a file: line and column in characters, both from 1.
package struct Place: Hashable, Comparable, Sendable {
    package let line: Int
    package let column: Int

    package init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }

    package static func < (left: Self, right: Self) -> Bool {
        (left.line, left.column) < (right.line, right.column)
    }
}

/// What is wrong with the YAML itself, and where.
package struct YamlError: Error, Equatable, Sendable {
    package let place: Place
    package let message: String
}

package struct YamlNode: Equatable, Sendable {
    package enum Content: Equatable, Sendable {
        /// `quoted`: written in quotes or as a block, so never a number, a truth value or nothing.
        case scalar(String, quoted: Bool)
        case sequence([YamlNode])
        /// In the file's order; no key stands twice.
        case mapping([Entry])
    }

    package struct Entry: Equatable, Sendable {
        package let key: String
        /// The key's own place; the value has its own.
        package let place: Place
        package let value: YamlNode
    }

    package let content: Content
    package let place: Place

    /// Written as nothing: no text at all, `~` or `null` without quotes.
    var isNothing: Bool {
        guard case .scalar(let text, quoted: false) = content else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(text)
    }
}

/// One of libyaml's events, copied out of its memory.
struct YamlEvent {
    enum Kind {
        case streamStart, streamEnd, documentStart, documentEnd
        case scalar(String, quoted: Bool)
        case sequenceStart, mappingStart, collectionEnd
    }

    let kind: Kind
    let place: Place
}

/// Reads the events of `bytes`, of which there is at least one (libyaml insists on a pointer), one after the
/// other until `take` answers false or throws.
func readYamlEvents(of bytes: [UInt8], take: (YamlEvent) throws(YamlError) -> Bool) throws(YamlError) {
    try bytes.withUnsafeBufferPointer { (input) throws(YamlError) in
        let events = YamlEvents(input)
        while try take(events.next()) {}
    }
}

/// Owns a libyaml parser. The parser is kept behind a pointer of our own because it stores its own
/// address (`read_handler_data`): it must not move between the calls. Invariant: the input outlives this value;
/// `readYamlEvents`, the only user, holds both in one scope.
private struct YamlEvents: ~Copyable {
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    /// False: there was no memory for the parser, whose structure is all zero then and may only be deleted.
    private let isUsable: Bool

    init(_ input: UnsafeBufferPointer<UInt8>) {
        parser = .allocate(capacity: 1)
        parser.initialize(to: yaml_parser_t())
        isUsable = yaml_parser_initialize(parser) == 1
        if isUsable { yaml_parser_set_input_string(parser, input.baseAddress, input.count) }
    }

    deinit {
        yaml_parser_delete(parser)
        parser.deinitialize(count: 1)
        parser.deallocate()
    }

    func next() throws(YamlError) -> YamlEvent {
        guard isUsable else { throw YamlEvents.outOfMemory(at: Place(line: 1, column: 1)) }
        var event = yaml_event_t()
        guard yaml_parser_parse(parser, &event) == 1 else { throw failure() }
        // Frees what the event points to; everything that we keep has been copied by then.
        defer { yaml_event_delete(&event) }
        let place = Place(event.start_mark)
        return YamlEvent(kind: try YamlEvents.kind(of: event, at: place), place: place)
    }

    private static func kind(of event: yaml_event_t, at place: Place) throws(YamlError) -> YamlEvent.Kind {
        switch event.type {
        case YAML_STREAM_START_EVENT: return .streamStart
        case YAML_DOCUMENT_START_EVENT: return .documentStart
        case YAML_DOCUMENT_END_EVENT: return .documentEnd
        case YAML_ALIAS_EVENT:
            throw YamlError(
                place: place,
                message: "aliases (*name) are not taken here; write the value out, or put quotes around a text that begins with '*'")
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            try refuse(anchor: scalar.anchor, tag: scalar.tag, at: place)
            // libyaml's value holds `length` bytes and may itself hold NUL (from "\0").
            let text = String(decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
            return .scalar(text, quoted: scalar.style != YAML_PLAIN_SCALAR_STYLE)
        case YAML_SEQUENCE_START_EVENT:
            try refuse(anchor: event.data.sequence_start.anchor, tag: event.data.sequence_start.tag, at: place)
            return .sequenceStart
        case YAML_MAPPING_START_EVENT:
            try refuse(anchor: event.data.mapping_start.anchor, tag: event.data.mapping_start.tag, at: place)
            return .mappingStart
        case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT: return .collectionEnd
        // libyaml answers with no event only after the stream's end.
        default: return .streamEnd
        }
    }

    private static func refuse(
        anchor: UnsafeMutablePointer<yaml_char_t>?, tag: UnsafeMutablePointer<yaml_char_t>?, at place: Place
    ) throws(YamlError) {
        guard anchor == nil else {
            throw YamlError(
                place: place,
                message: "anchors (&name) are not taken here; write the value out, or put quotes around a text that begins with '&'")
        }
        guard tag == nil else {
            throw YamlError(
                place: place,
                message: "tags (!name) are not taken here; leave it out, or put quotes around a text that begins with '!'")
        }
    }

    /// Why the parser gave up. `problem` and `context` point to libyaml's constant texts.
    private func failure() -> YamlError {
        let state = parser.pointee
        guard state.error != YAML_MEMORY_ERROR else { return YamlEvents.outOfMemory(at: Place(state.mark)) }
        let problem = state.problem.map { String(cString: $0) } ?? "unknown problem"
        let context = state.context.map { (text: String(cString: $0), place: Place(state.context_mark)) }
        let place = Place(state.error == YAML_READER_ERROR ? state.mark : state.problem_mark)
        return YamlError(place: place, message: yamlProblemText(problem, context: context, at: place))
    }

    private static func outOfMemory(at place: Place) -> YamlError {
        YamlError(place: place, message: "out of memory while reading the file")
    }
}

extension Place {
    fileprivate init(_ mark: yaml_mark_t) {
        self.init(line: Int(mark.line) + 1, column: Int(mark.column) + 1)
    }
}
