// A backend as its starter sees it: found by its lock, stopped, started anew in a session of its own.
import EventLoop
import Glibc
import Model
import SystemCalls

/// Why a backend could not be stopped or started.
struct BackendProcessError: Error, Equatable, CustomStringConvertible {
    let description: String
}

struct BackendProcess: Sendable {
    /// How long SIGTERM may take: the backend's own grace, and a second to end.
    static let stopLimit = Backend.grace + .seconds(1)
    /// How long a killed process may take to be gone.
    static let killLimit = Duration.seconds(5)
    /// How long a new process may take until it has its lock and its port.
    static let startLimit = Duration.seconds(10)

    let files: BackendFiles

    @ControlPlane func stop() async -> Int32 {
        await reporting {
            guard let stopped = try await stopRunning() else { return "\(files.name) did not run" }
            return "\(files.name) stopped (\(stopped))"
        }
    }

    @ControlPlane func restart(listen: Endpoint, boot: Duration) async -> Int32 {
        await reporting {
            try Files.makeFolder(files.folder)
            let stopped = try await stopRunning()
            let started = try await startDetached(listen: listen, boot: boot)
            return "\(files.name) \(stopped.map { "restarted: \($0), then" } ?? "started:") \(started)"
        }
    }

    @ControlPlane private func reporting(_ work: @ControlPlane () async throws -> String) async -> Int32 {
        do {
            Console.say(try await work())
            return 0
        } catch {
            Console.complain("\(files.name): \(error)")
            return 1
        }
    }

    /// Ends whoever holds the lock, until nobody does; how the last one went, nil where none ran.
    @ControlPlane private func stopRunning() async throws -> String? {
        var stopped: String?
        while let holder = try ProcessLock.holder(of: files.lock) {
            do {
                let process = try RunningProcess(holder)
                // Only now is the number tied to one process: it is the holder if it still holds the lock.
                guard try ProcessLock.holder(of: files.lock) == holder else { continue }
                stopped = try await end(process)
            } catch let error as SystemError where error.errorNumber == ESRCH {
                continue
            }
        }
        return stopped
    }

    @ControlPlane private func end(_ process: borrowing RunningProcess) async throws -> String {
        let began = Clocks.monotonic()
        try process.signal(SIGTERM)
        if await wait(for: .readable, on: process.number, timeout: BackendProcess.stopLimit) == .ready {
            return "pid \(process.process) ended after \(began.duration(to: Clocks.monotonic()).wholeMilliseconds) ms"
        }
        try process.signal(SIGKILL)
        guard await wait(for: .readable, on: process.number, timeout: BackendProcess.killLimit) == .ready else {
            throw BackendProcessError(description: "pid \(process.process) does not end, not even by SIGKILL")
        }
        return "pid \(process.process) killed: it did not end within \(BackendProcess.stopLimit.spoken)"
    }

    @ControlPlane private func startDetached(listen: Endpoint, boot: Duration) async throws -> String {
        let meeting: Endpoint
        do { meeting = try Endpoint("unix:" + files.announcement) } catch { throw BackendProcessError(description: "\(error); choose a shorter --state") }
        try Files.remove(files.announcement)
        let descriptor = try Sockets.bind(meeting)
        try Sockets.listen(descriptor.number, backlog: 1)
        let listener = AsyncListener(owning: descriptor)
        let log = try Files.open(files.log, O_WRONLY | O_CREAT | O_APPEND, 0o640)
        let child = try ChildProcess(
            starting: [
                CommandLine.arguments[0], "backend", "--name", files.name.text, "--state", files.folder,
                "--listen", listen.description, "--boot", boot.written, "--announce", meeting.description,
            ], output: log.number, leading: .session)
        let announcement = await announcement(to: listener, from: child.number)
        try Files.remove(files.announcement)
        switch announcement {
        case .success(let text): return "pid \(child.process), generation \(text)"
        case .failure(let failure):
            let end = try child.end().map { "ended with \($0)" } ?? "\(failure)"
            throw BackendProcessError(description: "the new process \(end); \(files.log) says why")
        }
    }

    /// What the child says once it has its lock and its port; a child that ends first is not waited for.
    @ControlPlane private func announcement(to listener: AsyncListener, from child: Int32) async -> Result<String, any Error> {
        let hearing = startThrowing {
            try await withDeadline(BackendProcess.startLimit) { try await BackendProcess.hear(listener) }
        }
        let watching = start {
            if await wait(for: .readable, on: child) == .ready { hearing.cancel() }
        }
        let result = await hearing.result
        watching.cancel()
        await watching.value
        return result
    }

    @ControlPlane private static func hear(_ listener: AsyncListener) async throws -> String {
        let socket = try await listener.accept()
        switch try await socket.line(bytesMax: 256) {
        case .line(let line): return String(decoding: line, as: UTF8.self).split(separator: " ").joined(separator: " on ")
        case .tooLong, .end: throw BackendProcessError(description: "announced itself in words that we do not know")
        }
    }
}
