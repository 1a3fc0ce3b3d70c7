// The statistics segment as lbd has it: a file that others find by its records, or, where there is no memory for one,
// memory that nobody else sees.
import EventLoop
import Glibc
import Logging
import Model
import Statistics
import SystemCalls

/// Gone, with its records, at the latest with this object; a crash leaves them to the next start.
final class PublishedSegment {
    let segment: Segment
    private var records: [String] = []
    /// Of an lbd that crashed: to be seen by the record beside its control socket until that names ours.
    private var left: [String] = []

    /// The state directory's lock is held: what its record names is left from a crash.
    @ControlPlane init(_ layout: SegmentLayout, for configuration: BalancerConfiguration, _ logger: Logger) throws {
        let record = SegmentFile.record(inStateDirectory: configuration.stateDirectory)
        left = PublishedSegment.left(record, logger)
        do throws(SystemError) {
            segment = try PublishedSegment.file(layout, for: configuration)
        } catch {
            // Traffic matters more.
            logger.warning("no statistics segment: \(error); lbctl top will not work, all else does; make room in /dev/shm and start lbd again")
            segment = try Segment(layout: layout)
            return
        }
        publish(record, logger)
    }

    /// With memory for all that the configuration has, and for lbd's own listener.
    @ControlPlane private static func file(_ layout: SegmentLayout, for configuration: BalancerConfiguration) throws(SystemError) -> Segment {
        var failure = SystemError("open", ENOENT)
        for folder in SegmentFile.folders(runtimeFolder: Environment.value("XDG_RUNTIME_DIR")) {
            do throws(SystemError) {
                let segment = try Segment(layout: layout, in: [folder])
                do throws(SystemError) {
                    let backends = configuration.pools.flatMap(\.backends)
                    // The first of each are the admin port's.
                    try segment.reserve(
                        slots: Array(0..<AdminPort.slot + 1 + backends.count), pools: Array(0..<AdminPort.pool + 1 + configuration.pools.count),
                        listeners: Array(0..<AdminPort.listener + 1 + configuration.listeners.count), withDetails: backends.contains { IPEndpoint($0.address) == nil })
                    return segment
                } catch {
                    if let path = segment.path { try Files.remove(path) }
                    throw error
                }
            } catch {
                failure = error
            }
        }
        throw failure
    }

    /// `lbctl --control PATH top` finds it without asking anybody.
    func publish(besideControl control: String, _ logger: Logger) {
        let record = SegmentFile.record(beside: control)
        // The control socket is bound: nobody else has the name, nor its record.
        left += PublishedSegment.left(record, logger).filter { !left.contains($0) }
        publish(record, logger)
        for path in left {
            do throws(SystemError) {
                try Files.remove(path)
                logger.info("statistics segment \(path) was left by an lbd that crashed: removed")
            } catch {
                logger.warning("statistics segment left by an lbd before: \(error); it stays")
            }
        }
        left = []
    }

    private static func left(_ record: String, _ logger: Logger) -> [String] {
        do throws(SystemError) { return try SegmentFile.left(record: record).map { [$0] } ?? [] } catch {
            logger.warning("statistics segment left by an lbd before: \(error); it stays")
            return []
        }
    }

    private func publish(_ record: String, _ logger: Logger) {
        guard let path = segment.path else { return }
        records.append(record)
        do throws(SystemError) { try SegmentFile.write(record: record, path: path) } catch {
            logger.warning("\(record) cannot be written: \(error); lbctl top does not find \(path)")
        }
    }

    /// What fails stays for the next start.
    func remove() {
        for path in records + [segment.path].compactMap({ $0 }) {
            do throws(SystemError) { try Files.remove(path) } catch { continue }
        }
        records = []
    }

    deinit { remove() }
}
