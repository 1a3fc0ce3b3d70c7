// The line that is rewritten. Fault: a backend's or a balancer's text that gives the terminal orders, or begins a second line.
import Testing

@testable import lbctl

struct ConsoleTests {
    @Test func progressGivesTheTerminalNoOrders() {
        let line = Console.rewriting("web/a: \u{1B}]0;owned\u{7}\u{1B}[2J gone\nlbctl: all is well \u{9B}31m \u{202E}", columns: 500)
        #expect(line.hasPrefix("\r\u{1B}[K"))
        let shown = line.dropFirst(4)
        #expect(shown == "web/a: \\u{1b}]0;owned\\u{7}\\u{1b}[2J gone\\u{a}lbctl: all is well \\u{9b}31m \\u{202e}")
        #expect(Console.rewriting("web/a: 3 connections open, größer", columns: 500) == "\r\u{1B}[Kweb/a: 3 connections open, größer")
        #expect(Console.rewriting(String(repeating: "\u{1B}", count: 50), columns: 20).count == 4 + 19, "cut after it was made longer")
    }
}
