// Names stand in log lines, control lines and file names: nothing that could break one of these may be a name.
import Model
import Testing

struct NamesTests {
    @Test(arguments: ["a", "7", "web-1", "a.b_c-d", String(repeating: "x", count: 64)])
    func takesWhatPeopleWrite(_ text: String) throws {
        #expect(try BackendName(text).text == text)
    }

    @Test(arguments: [
        "", "-web", ".web", "_web", "web 1", "web/1", "web\n", "wéb", "wEb\u{1B}[0m", "web\0", "=", "*",
        String(repeating: "x", count: 65),
    ])
    func refusesWhatWouldBreakALine(_ text: String) {
        #expect(throws: NameError.self) { try PoolName(text) }
    }

    /// A message that repeats the text raw would carry the damage on.
    @Test func referencesNeedBothPartsAndSayTheFormOnOneLine() throws {
        #expect(try BackendReference("web/web-1").description == "web/web-1")
        for text in ["web", "web/a/b", "/a", "web/", "/", ""] {
            #expect(throws: NameError.self) { try BackendReference(text) }
        }
        let error = #expect(throws: NameError.self) { try BackendReference("we\nb") }
        #expect(error?.description == "'we\\nb' is not a backend: write POOL/BACKEND")
        let pool = #expect(throws: NameError.self) { try BackendReference("web") }
        #expect(pool?.description == "'web' names no backend: write web/NAME")
    }

    @Test func referencesSortByPoolThenBackend() throws {
        let sorted = try ["b/a", "a/z", "a/b"].map { try BackendReference($0) }.sorted()
        #expect(sorted.map(\.description) == ["a/b", "a/z", "b/a"])
    }
}
