// What the live view says of one backend above its connections.
import Model
import Statistics

enum TopDetail {
    static func lines(_ backend: ObservedBackend, of pool: ObservedPool, _ scene: TopScene, _ columns: Int) -> [ScreenLine] {
        let sentences = [now(backend, scene.pace), since(backend)]
            + (backend.drain.map { [TopText.drain($0, scene.pace.departure(backend), at: scene.calendar)] } ?? [])
        return [.empty, ScreenLine("\(pool.name)/\(backend.name)  \(backend.address)", .bold)]
            + sentences.flatMap { $0.wrapped(to: columns) }.map { ScreenLine($0) } + [.empty]
    }

    private static func now(_ backend: ObservedBackend, _ pace: TopPace) -> String {
        "\(backend.availability.rawValue) (wish \(backend.wish.rawValue), probe \(backend.probe.rawValue)), weight \(backend.weight), "
            + "\(backend.connections)" + (backend.connectionsMax.map { " of \($0)" } ?? "") + " connections, "
            + "\(TopText.rate(pace.rate(backend)))/s, \(TopText.bytes(pace.byteRate(backend)))B/s, connect \(TopText.time(pace.connectTime(backend)))"
    }

    /// Since it has its slot.
    private static func since(_ backend: ObservedBackend) -> String {
        let totals = backend.totals
        return "so far: \(totals.connections) connections, \(totals.connectFailures) failed connects, \(totals.backendResets) resets by it, "
            + "\(totals.clientResets) by clients, \(TopText.bytes(totals.bytesToBackend))B to it, \(TopText.bytes(totals.bytesToClient))B to clients"
    }
}
