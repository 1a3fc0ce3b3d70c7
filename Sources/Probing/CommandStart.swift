// The start of a check by command, beside the loop: a program on a dead file server keeps its starter waiting for ever.
import EventLoop
import Glibc
import Model
import Synchronization
import SystemCalls

/// Whoever waits for it may give up: then what starts after all is ended as soon as it runs, and keeps its place till then.
@ControlPlane final class CommandStart {
    enum Outcome {
        case started(CommandCheck)
        case failed(SystemError)
        case timedOut
        case cancelled
    }

    private enum State {
        case underWay
        case over(Outcome)
        case givenUp
    }

    private let place: CommandPlace
    private var state = State.underWay
    private let news = Wait()

    init(_ arguments: [String], _ place: CommandPlace) {
        self.place = place
        start { await self.carryOut(arguments) }
    }

    func outcome(until deadline: MonotonicTime) async -> Outcome {
        var ending = Outcome.timedOut
        while true {
            if case .over(let outcome) = state { return outcome }
            let rest = Clocks.monotonic().duration(to: deadline)
            guard rest > .zero else { break }
            guard await news.pause(for: rest) != .cancelled else {
                ending = .cancelled
                break
            }
        }
        if case .over(let outcome) = state { return outcome }
        (state, place.isStuck) = (.givenUp, true)
        return ending
    }

    private func carryOut(_ arguments: [String]) async {
        do throws(SystemError) {
            let check = try await started(arguments)
            switch state {
            case .underWay: end(.started(check))
            case .over, .givenUp: await check.reap()
            }
        } catch {
            place.giveBack()
            end(.failed(error))
        }
    }

    private func end(_ outcome: Outcome) {
        state = .over(outcome)
        news.finish(.ready)
    }

    private func started(_ arguments: [String]) async throws(SystemError) -> CommandCheck {
        let pipe = try ChildOutput.open()
        let output = OutputTail(owning: Descriptor(owning: pipe.readEnd))
        // Ours goes with the end of this function: then the children alone hold it.
        let writing = Descriptor(owning: pipe.writeEnd)
        let number = writing.number
        let handover = StartedChild()
        try await inBackground { () throws(SystemError) in try handover.start(arguments, output: number) }
        guard let child = handover.take() else { preconditionFailure("a start that throws nothing has a child") }
        return CommandCheck(child, output: output, place)
    }
}

/// From the thread that starts it to the loop.
private final class StartedChild: Sendable {
    private let child = Mutex<ChildProcess?>(nil)

    func start(_ arguments: [String], output: Int32) throws(SystemError) {
        let started = try ChildProcess(starting: arguments, output: output, leading: .closedGroup)
        put(started)
    }

    private func put(_ started: consuming sending ChildProcess) {
        var started: ChildProcess? = consume started
        child.withLock { $0 = started.take() }
    }

    func take() -> ChildProcess? { child.withLock { $0.take() } }
}
