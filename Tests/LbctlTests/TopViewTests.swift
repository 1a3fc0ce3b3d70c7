// What each key does to the view. Faults: a selection that jumps to another backend when rows change places; a page of a
// backend that is no more.
import Model
import Statistics
import Testing

@testable import lbctl

@Suite struct TopViewTests {
    private let items: [TopItem] = [.pool(0), .backend(1), .backend(2), .backend(3)]

    private func typed(_ keys: [Key], _ view: TopView = TopView(), among items: [TopItem]? = nil) -> (TopView, [TopOrder]) {
        var view = view
        let orders = keys.map { view.take($0, among: items ?? self.items, rows: 3) }
        return (view, orders)
    }

    @Test func theSelectionMovesAndStopsAtTheEnds() {
        func place(_ keys: [Key]) -> Int? { typed(keys).0.place(among: items) }
        let places = [place([]), place([.down]), place([.up]), place([.character("j"), .character("j"), .character("k")]), place([.last]), place([.last, .down]),
            place([.pageDown]), place([.last, .pageUp]), place([.character("G"), .character("g")])]
        #expect(places == [0, 1, 0, 1, 3, 3, 2, 1, 0])
    }

    @Test func theSelectionStaysWithItsBackend() {
        let (view, _) = typed([.down, .down])
        #expect(view.place(among: [.pool(0), .backend(3), .backend(1), .backend(2)]) == 3)
        // It has gone: whoever stands in its place now.
        #expect(view.place(among: [.pool(0), .backend(1), .backend(3)]) == 2)
        #expect(view.place(among: [.pool(0)]) == 0)
        #expect(view.place(among: []) == nil)
    }

    @Test func enterOpensAndEscapeGoesBack() {
        var (view, _) = typed([.down, .down, .enter])
        #expect(view.page == .backend(2))
        _ = view.take(.escape, among: [], rows: 3)
        #expect(view.page == .overview && view.place(among: items) == 2)
        _ = view.take(.escape, among: items, rows: 3)
        #expect(view.page == .overview)
        let (pool, _) = typed([.enter])
        #expect(pool.page == .pool(0))
        let (deeper, _) = typed([.down, .enter], pool, among: [.backend(1), .backend(2)])
        #expect(deeper.page == .backend(2) && deeper.stops.count == 3)
    }

    @Test func enterOnNothingIsNothing() {
        let (view, orders) = typed([.enter, .up, .down, .pageDown], among: [])
        #expect(view == TopView() && orders == [.draw, .draw, .draw, .draw])
    }

    @Test func eachSortHasItsKeyAndTheSameOnceMoreEndsIt() {
        for sort in TopSort.allCases {
            let once = typed([.character(sort.key)]).0
            let twice = typed([.character(sort.key), .character(sort.key)]).0
            #expect(once.sort == sort && twice.sort == nil)
        }
        #expect(Set(TopSort.allCases.map(\.key)).count == TopSort.allCases.count)
        let connections = typed([.down, .enter, .character("i")]).0
        #expect(connections.connectionSort == .idle && connections.sort == nil)
    }

    @Test func quitSuspendAndRedrawAreAsked() {
        #expect(typed([.character("q"), .interrupt, .suspend, .redraw]).1 == [.quit, .quit, .suspend, .redraw])
    }

    @Test func helpGoesWithAnyKeyButQuits() {
        let shown = typed([.character("?")]).0
        #expect(shown.showsHelp)
        let after = typed([.down], shown)
        #expect(!after.0.showsHelp && after.0.place(among: items) == 0)
        #expect(typed([.character("q")], shown).1 == [.quit] && typed([.interrupt], shown).1 == [.quit])
    }

    @Test func pauseAndPace() {
        let (paused, orders) = typed([.character("p")])
        #expect(paused.isPaused && orders == [.draw])
        let (again, more) = typed([.character("p")], paused)
        #expect(!again.isPaused && more == [.look])
        let slower = typed([.character("+"), .character("+")]).0.interval
        let faster = typed([.character("-"), .character("-"), .character("-"), .character("-")]).0.interval
        let odd = typed([.character("+")], TopView(interval: .seconds(3))).0.interval
        #expect(slower == .seconds(5) && faster == .milliseconds(200) && odd == .seconds(5))
    }

    @Test func tabTurnsToTheNextBalancerAndRoundAgain() {
        let (next, orders) = typed([.down, .enter, .tab], TopView(balancers: 2))
        #expect(next.balancer == 1 && next.page == .overview && orders.last == .look)
        #expect(typed([.tab], next).0.balancer == 0 && typed([.backTab], TopView(balancers: 3)).0.balancer == 2)
        #expect(typed([.tab]).1 == [.draw])
    }

    @Test func aPageWhoseBackendHasGoneIsLeft() {
        var (view, _) = typed([.enter])
        _ = view.take(.down, among: [.backend(1), .backend(2)], rows: 3)
        _ = view.take(.enter, among: [.backend(1), .backend(2)], rows: 3)
        #expect(view.page == .backend(2))
        view.settle(in: MadeUp.observation([MadeUp.backend(1)])) { _ in [.backend(1)] }
        #expect(view.page == .pool(0) && view.place(among: [.backend(1)]) == 0)
        view.settle(in: Observation(process: MadeUp.process())) { _ in [] }
        #expect(view.page == .overview)
    }

    @Test func whatMeansNothingChangesNothing() {
        let (view, orders) = typed([.character("x"), .character("a"), .character("Z")])
        #expect(view == TopView() && orders == [.draw, .draw, .draw])
    }
}
