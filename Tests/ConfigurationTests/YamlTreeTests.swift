// The tree's bounds: depth, number of nodes, one document, no key twice.
import Configuration
import Testing

struct YamlTreeTests {
    /// 5,000 levels deep; a name for each, for a failing test prints its arguments.
    enum Deep: String, CaseIterable, Sendable {
        case flowList, flowListOverLines, flowMapping, blockList, blockMapping

        var text: String {
            switch self {
            case .flowList: String(repeating: "[", count: 5000)
            case .flowListOverLines: String(repeating: "[\n", count: 5000)
            case .flowMapping: String(repeating: "{a: ", count: 5000)
            case .blockList: String(repeating: "- ", count: 5000)
            case .blockMapping: (0..<5000).map { String(repeating: " ", count: $0) + "a:\n" }.joined()
            }
        }

        /// Of the 33rd level.
        var place: String {
            switch self {
            case .flowList: "1:33: "
            case .flowListOverLines: "33:1: "
            case .flowMapping: "1:129: "
            case .blockList: "1:65: "
            case .blockMapping: "33:33: "
            }
        }
    }

    @Test("5,000-deep nesting ends in an error at the bound, not in an exhausted stack", arguments: Deep.allCases)
    func depth(deep: Deep) {
        #expect(yamlFailure(deep.text) == deep.place + "nested deeper than 32 levels; nothing in this file is")
    }

    @Test("the deepest nesting allowed is taken")
    func depthAllowed() throws {
        let text = String(repeating: "[", count: yamlDepthMax) + String(repeating: "]", count: yamlDepthMax)
        let root = try parseYaml(Array(text.utf8)).root
        #expect(root != nil)
    }

    @Test("a file of endless small values ends at the bound")
    func nodes() {
        let text = "[" + String(repeating: "x,\n", count: yamlNodesMax) + "]"
        #expect(yamlFailure(text) == "\(yamlNodesMax):1: the file has more than \(yamlNodesMax) values; a configuration has fewer")
    }

    @Test("a key that stands twice is an error that names the first, at every level; the first counts")
    func duplicates() throws {
        let (root, duplicates) = try parseYaml(Array("a: 1\nb: { c: 1, \"c\": 2 }\na: [3]\n".utf8))
        #expect(duplicates.map(\.place) == [Place(line: 2, column: 12), Place(line: 3, column: 1)])
        #expect(duplicates.map(\.message) == [
            "'c' stands twice: first in line 2, column 6; keep one of them",
            "'a' stands twice: first in line 1, column 1; keep one of them",
        ])
        guard case .mapping(let entries) = root?.content else { return #expect(Bool(false), "no mapping") }
        #expect(entries.map(\.key) == ["a", "b"])
        #expect(entries[0].value.content == .scalar("1", quoted: false))
    }

    @Test("a second document is not ignored in silence")
    func documents() {
        #expect(yamlFailure("a: b\n---\nc: d\n").hasPrefix("2:1: a second document begins here"))
    }

    @Test("a key that is no word is refused", arguments: [("{[a]: b}", "1:2: "), ("? {a: b}\n: c", "1:3: "), ("{{host}: b}", "1:2: ")])
    func keys(text: String, place: String) {
        #expect(yamlFailure(text).hasPrefix(place + "a key is a word"))
    }

    @Test("nothing but comments is no tree", arguments: ["", "\n\n", "# x\n"])
    func empty(text: String) throws {
        let root = try parseYaml(Array(text.utf8)).root
        #expect(root == nil)
    }
}
