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

    /// The file that names the segment; nil: the operator has named it.
    private var pointer: String? {
        switch self {
        case .control(let path): path + ".statistics"
        case .stateDirectory(let path): path + "/statistics"
        case .segment: nil
        }
    }

    /// One line: a path.
    private static let pointerBytesMax = 4096

    func path() throws(Failure) -> String {
        guard let pointer else { return name }
        do throws(SystemError) {
            let bytes = try Files.read(pointer, bytesMax: SegmentPlace.pointerBytesMax)
            let line = String(decoding: bytes.prefix { $0 != 0x0A }, as: UTF8.self)
            guard !line.isEmpty else { throw SystemError("read", ENODATA, on: pointer) }
            return Files.resolve(line, in: Files.folder(of: pointer))
        } catch {
            throw error.isMissingFile ? missing(pointer) : Failure(.noAnswer, "where the statistics are is not known: \(error)")
        }
    }

    private func missing(_ pointer: String) -> Failure {
        switch self {
        case .control(let path):
            Failure(.noAnswer, "no statistics: \(pointer) is not there. Has lbd been started with the control socket \(path)? "
                + "Else give --control, or --state-directory DIR where another balancer uses that socket now")
        case .stateDirectory(let path):
            Failure(.noAnswer, "no statistics: \(pointer) is not there. Is \(path) the 'state-directory' of an lbd that was started?")
        case .segment(let path): gone(path)
        }
    }

    /// The name is known, and nothing lies there.
    func gone(_ path: String) -> Failure {
        Failure(.noAnswer, "no statistics: \(path) is not there any more. lbd has ended in good order (a crash leaves it), "
            + "or the machine was started anew; start lbd and try again")
    }
}

extension SegmentPlace {
    /// A look at it now. The file is opened anew each time: a balancer that was started again has another.
    func look() throws(Failure) -> Observation {
        let path = try path()
        throw gone(path)
    }
}
