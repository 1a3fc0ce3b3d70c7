// Where a balancer's statistics segment lies: files tell, nobody is asked.
import ControlProtocol
import EventLoop
import Glibc
import Model
import Statistics
import SystemCalls

/// One balancer's segment, by whatever leads to it.
enum SegmentPlace: Equatable, Sendable {
    /// Beside the control socket lies a file that names it.
    case control(String)
    /// In the state directory lies the same.
    case stateDirectory(String)
    case segment(String)

    /// As the operator wrote it.
    var name: String {
        switch self {
        case .control(let path), .stateDirectory(let path), .segment(let path): path
        }
    }

    /// The file that names the segment; nil: the operator has.
    private var record: String? {
        switch self {
        case .control(let path): SegmentFile.record(beside: path)
        case .stateDirectory(let path): SegmentFile.record(inStateDirectory: path)
        case .segment: nil
        }
    }

    func path() throws(Failure) -> String {
        guard let record else { return name }
        do throws(SystemError) { return try SegmentFile.read(record: record) } catch {
            throw error.isMissingFile ? missing(record) : Failure(.noAnswer, "no statistics: where they are is not known: \(error)")
        }
    }

    private func missing(_ record: String) -> Failure {
        switch self {
        case .control(let path):
            Failure(.noAnswer, "no statistics: \(record) is not there: no lbd runs with the control socket \(path), and none has crashed. "
                + "Start it, or give another --control, or --state-directory DIR")
        case .stateDirectory(let path):
            Failure(.noAnswer, "no statistics: \(record) is not there: no lbd runs with the 'state-directory' \(path), and none has crashed")
        case .segment(let path): gone(path)
        }
    }

    /// The name is known, and nothing lies there.
    func gone(_ path: String) -> Failure {
        Failure(.noAnswer, "no statistics: \(path) is not there: the lbd that had it has ended in good order (a crash leaves it), "
            + "or the machine was started anew")
    }
}

extension SegmentPlace {
    /// A look at it now. The file is opened anew each time: a balancer that was started again has another.
    func look() throws(Failure) -> Observation {
        let path = try path()
        do throws(SegmentError) { return try SegmentReader(path: path).observe() } catch {
            throw SegmentPlace.isThere(path) ? Failure(.failed, error.description) : gone(path)
        }
    }

    private static func isThere(_ path: String) -> Bool {
        do throws(SystemError) { _ = try Files.open(path, O_RDONLY | O_NONBLOCK) } catch { return !error.isMissingFile }
        return true
    }
}
