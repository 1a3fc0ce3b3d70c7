// From a rollout's time to a picture's width, with ticks at round times.
import ControlProtocol
import Model

struct TimeAxis {
    let left: Double
    let width: Double
    private let seconds: Double

    init(left: Double, width: Double, lasting duration: Duration) {
        self.left = left
        self.width = width
        seconds = max(duration.inSeconds, 0.1)
    }

    var right: Double { left + width }

    func x(_ time: Duration) -> Double { left + min(1, max(0, time.inSeconds / seconds)) * width }

    /// Round times, eight at most.
    var ticks: [Duration] {
        let steps: [Double] = [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200]
        let step = steps.first { seconds / $0 <= 8 } ?? (seconds / 8 / 86_400).rounded(.up) * 86_400
        return (0...Int(seconds / step)).map { .milliseconds(Int64((Double($0) * step * 1000).rounded())) }
    }

    /// Lines and their times, from `top` to `bottom`.
    func grid(top: Double, bottom: Double) -> String {
        ticks.map { tick in
            let x = HTMLText.number(x(tick))
            return """
                <line class="grid" x1="\(x)" y1="\(HTMLText.number(top))" x2="\(x)" y2="\(HTMLText.number(bottom))"/>\
                <text class="tick" x="\(x)" y="\(HTMLText.number(bottom + 14))">\(TimeAxis.text(tick))</text>
                """
        }.joined(separator: "\n")
    }

    private static func text(_ time: Duration) -> String { time == .zero ? "0" : time.spoken }
}
