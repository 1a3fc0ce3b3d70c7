// Colours of the states in a status row.
import Testing

@testable import lbctl

@Suite struct PaintTests {
    @Test func onlyTheStateColumnsAreColoured() {
        #expect(Paint.states(in: "web/up  127.0.0.1:1  drain  down  draining  3  down by alice")
            == "web/up  127.0.0.1:1  \u{1B}[33mdrain\u{1B}[0m  \u{1B}[31mdown\u{1B}[0m  \u{1B}[33mdraining\u{1B}[0m  3  down by alice")
        #expect(Paint.states(in: "web/a  unix:/x  ready  up  available")
            == "web/a  unix:/x  ready  \u{1B}[32mup\u{1B}[0m  \u{1B}[32mavailable\u{1B}[0m")
    }

    @Test func otherLinesStayAsTheyAre() {
        #expect(Paint.states(in: "") == "")
        #expect(Paint.states(in: "BACKEND  ADDRESS  WISH") == "BACKEND  ADDRESS  WISH")
    }
}
