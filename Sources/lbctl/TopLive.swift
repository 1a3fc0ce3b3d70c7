// The live view: looks, keys and signals one after the other, a frame for each, and the terminal given back at the end.
import ControlProtocol
import EventLoop
import Model
import SystemCalls

@ControlPlane final class TopLive {
    private enum News {
        case typed([UInt8])
        case signal(Int32)
        /// The terminal takes bytes again.
        case writable
        case terminalGone
    }

    /// An escape that is not followed by more for so long is a key of its own.
    private static let escapePause = Duration.milliseconds(50)
    /// Who was put in the background asks so often whether the terminal is its own again.
    private static let foregroundPause = Duration.milliseconds(200)

    private let places: [SegmentPlace]
    private let screen: Screen
    private var scene: TopScene
    /// Of each balancer: what was seen of it so far.
    private var paces: [TopPace]
    private var keys = KeyReader()
    private var news: [News] = []
    private let wake = Wait()
    private var tasks: [Task<Void, Never>] = []
    private var awaitsWritable = false
    private var nextLook = Clocks.monotonic()
    private var failure: SystemError?

    init(_ places: [SegmentPlace], pool: String?, sort: TopSort?, interval: Duration, isColoured: Bool) throws(SystemError) {
        self.places = places
        screen = try Screen(isColoured: isColoured)
        paces = places.map { _ in TopPace() }
        scene = TopScene(view: TopView(sort: sort, interval: interval, balancers: places.count), pool: pool, calendar: Clocks.calendar())
    }

    /// Until the viewer has seen enough.
    func run() async throws(SystemError) {
        let signals = SignalSource(owning: try Signals.open(Signals.stopping + [Signals.quit, Signals.windowChanged, Signals.continued]))
        defer { screen.giveBack() }
        try screen.take()
        tasks = [start { await self.listen(signals) }, start { await self.readKeys() }]
        defer { for task in tasks { task.cancel() } }
        look()
        try draw()
        while try await turn() {}
        if let failure { throw failure }
    }

    /// False: it is over.
    private func turn() async throws(SystemError) -> Bool {
        if news.isEmpty { _ = await wake.pause(for: pauseLength) }
        if news.isEmpty, keys.awaitsMore {
            guard try perform(keys.settle()) else { return false }
        }
        while !news.isEmpty {
            guard try take(news.removeFirst()) else { return false }
        }
        if !screen.isTaken {
            try screen.take()
            if screen.isTaken { try draw() }
        }
        if !scene.view.isPaused, nextLook <= Clocks.monotonic() {
            look()
            try draw()
        }
        return true
    }

    private var pauseLength: Duration {
        let untilLook = max(.zero, Clocks.monotonic().duration(to: nextLook))
        // Paused: only keys and signals end it, or the terminal that is ours again.
        let length = scene.view.isPaused ? .seconds(3600) : untilLook
        if keys.awaitsMore { return min(length, TopLive.escapePause) }
        return screen.isTaken ? length : min(length, TopLive.foregroundPause)
    }

    private func take(_ item: News) throws(SystemError) -> Bool {
        switch item {
        case .typed(let bytes): return try perform(keys.take(bytes))
        case .terminalGone: return false
        case .writable:
            awaitsWritable = false
            try draw()
            return true
        case .signal(Signals.windowChanged):
            try draw(afresh: true)
            return true
        case .signal(Signals.continued):
            screen.lose()
            try screen.take()
            try draw(afresh: true)
            return true
        case .signal: return false
        }
    }

    private func perform(_ keys: [Key]) throws(SystemError) -> Bool {
        for key in keys {
            switch scene.view.take(key, among: scene.items, rows: TopPicture.bodyRows(scene, screen.size)) {
            case .draw: try draw()
            case .look:
                look()
                try draw()
            case .redraw: try draw(afresh: true)
            case .suspend:
                screen.giveBack()
                // Taken again where the terminal is ours then: SIGCONT says so, or the next turn.
                Signals.suspend()
            case .quit: return false
            }
        }
        return true
    }

    private func look() {
        let balancer = scene.view.balancer
        nextLook = Clocks.monotonic().advanced(by: scene.view.interval)
        scene.trouble = nil
        scene.calendar = Clocks.calendar()
        scene.label = places.count > 1 ? places[balancer].name : nil
        do throws(Failure) {
            let observation = try places[balancer].look()
            paces[balancer].take(TopLook(observation: observation, at: Clocks.monotonic(), calendar: scene.calendar))
        } catch {
            scene.trouble = error.message
        }
        scene.pace = paces[balancer]
        if let observation = scene.observation {
            let other = scene
            scene.view.settle(in: observation) { view in
                var scene = other
                scene.view = view
                return scene.items
            }
        }
    }

    private func draw(afresh: Bool = false) throws(SystemError) {
        if afresh { try screen.clear() }
        let size = screen.size
        let isDone = try screen.draw(TopPicture.lines(scene, size), columns: size.columns)
        guard !isDone || screen.hasRest, !awaitsWritable else { return }
        awaitsWritable = true
        tasks.append(start {
            if await wait(for: .writable, on: self.screen.number) == .ready { self.tell(.writable) }
        })
    }

    private func tell(_ item: News) {
        news.append(item)
        wake.finish(.ready)
    }

    private func listen(_ signals: SignalSource) async {
        do throws(SystemError) {
            while let signal = try await signals.next() { tell(.signal(signal)) }
        } catch {
            end(with: error)
        }
    }

    private func readKeys() async {
        do throws(SystemError) {
            while await wait(for: .readable, on: screen.number) == .ready {
                guard let bytes = try screen.read() else {
                    if !screen.isTaken { await pause(for: TopLive.foregroundPause) }
                    continue
                }
                guard !bytes.isEmpty else { return tell(.terminalGone) }
                tell(.typed(bytes))
            }
        } catch {
            end(with: error)
        }
    }

    private func end(with error: SystemError) {
        failure = error
        tell(.terminalGone)
    }
}
