// How errors are written.
import Configuration
import Testing

struct ConfigurationErrorTests {
    @Test("errors are FILE:LINE:COLUMN: message, a line each: editors and scripts jump there")
    func format() {
        do throws(ConfigurationErrors) {
            _ = try load("a: b\n")
            #expect(Bool(false), "accepted")
        } catch {
            #expect(error.errors.first?.file == "lb.yaml")
            #expect(error.description.split(separator: "\n").count == error.errors.count)
            #expect(error.errors.allSatisfy { $0.description == "lb.yaml:\($0.line):\($0.column): \($0.message)" })
        }
    }
}
