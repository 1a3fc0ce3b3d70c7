// The metrics as an answer: made once for all who ask at about the same time, whose bytes they share.
import ControlProtocol
import EventLoop

@ControlPlane final class MetricsPage {
    private let text: MetricsText
    private var made: [ExpositionForm: SharedBytes] = [:]
    private var making: [ExpositionForm: Task<SharedBytes?, Never>] = [:]

    /// So long one is good for all, and then forgotten: it may have megabytes.
    private static let fresh = Duration.milliseconds(250)

    init(_ text: MetricsText) { self.text = text }

    /// Nil: lbd is ending.
    func page(_ form: ExpositionForm) async -> SharedBytes? {
        if let page = made[form] { return page }
        if let under = making[form] { return await under.value }
        // Whoever asked first may leave; the others still want it.
        let work = start { await self.make(form) }
        making[form] = work
        return await work.value
    }

    private func make(_ form: ExpositionForm) async -> SharedBytes? {
        defer { making[form] = nil }
        do throws(Failure) {
            made[form] = SharedBytes(try await text.text(form))
        } catch {
            return nil
        }
        start {
            await pause(for: MetricsPage.fresh)
            self.made[form] = nil
        }
        return made[form]
    }
}
