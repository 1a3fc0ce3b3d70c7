// Child processes: started in a group of their own, watched by a pidfd, ended with their group.
import CLinux
import Glibc

/// How a process ended.
package enum ProcessEnd: Equatable, Sendable, CustomStringConvertible {
    case exited(status: Int32)
    case killed(signal: Int32)

    package var description: String {
        switch self {
        case .exited(let status): "exit status \(status)"
        case .killed(let signal): "killed by \(Signals.name(signal))"
        }
    }
}

/// A running child. Its pidfd becomes readable when it has ended.
package struct ChildProcess: ~Copyable, Sendable {
    package let process: pid_t
    private let descriptor: Descriptor

    package var number: Int32 { descriptor.number }

    /// What the child has of its own.
    package enum Leads: Sendable {
        /// A process group: it still belongs to our terminal and inherits what is not close-on-exec.
        case group
        /// The same, with no descriptor but the three.
        case closedGroup
        /// A session, and no descriptor but the three: it outlives us and whoever started us.
        case session
    }

    /// Starts `arguments[0]`, looked up in PATH, in a new process group, with default signals, the descriptor limit that
    /// we were started with, standard input from /dev/null and both outputs to `output` (nil: to ours). Blocks until the
    /// program is loaded, on a dead file server for ever.
    package init(starting arguments: [String], output: Int32?, leading: Leads = .group) throws(SystemError) {
        // Owned by this function, and freed at its end.
        var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
        words.append(nil)
        defer { for word in words { free(word) } }
        let started = words.withUnsafeBufferPointer { words in
            var child = sluice_child()
            child.arguments = words.baseAddress
            child.output = output ?? -1
            switch leading {
            case .group: break
            case .closedGroup: child.closes = 1
            case .session: (child.leads_session, child.closes) = (1, 1)
            }
            child.descriptor_limit = Limits.descriptorsAtStart
            return sluice_spawn(&child)
        }
        guard started > 0 else { throw SystemError("spawn", errno, on: arguments[0]) }
        let watched = sluice_pidfd_open(started)
        guard watched >= 0 else {
            // Nobody would ever hear of it: it must not stay, nor its remains.
            let failure = SystemError("pidfd_open", errno, on: arguments[0])
            kill(-started, SIGKILL)
            waitpid(started, nil, 0)
            throw failure
        }
        self.init(process: started, descriptor: Descriptor(owning: watched))
    }

    private init(process: pid_t, descriptor: consuming Descriptor) {
        self.process = process
        self.descriptor = descriptor
    }

    /// How it ended, or nil while it runs. To be asked until it answers: this also reaps it.
    package func end() throws(SystemError) -> ProcessEnd? {
        var code: Int32 = 0
        var status: Int32 = 0
        let ended = try checked("waitid") { sluice_wait_pidfd(descriptor.number, &code, &status) }
        guard ended == 1 else { return nil }
        return code == Int32(CLD_EXITED) ? .exited(status: status) : .killed(signal: status)
    }

    /// Signals the child and everything it started that stayed in its group; a group that has ended is no error.
    package func signalGroup(_ signal: Int32) throws(SystemError) {
        guard kill(-process, signal) != 0, errno != ESRCH else { return }
        throw SystemError("kill", errno, on: "process group \(process)")
    }
}

package enum Processes {
    package static var own: Int32 { getpid() }

    /// The name of a user, or its number where it has none.
    package static func userName(_ user: UInt32) -> String {
        guard let entry = getpwuid(user), let name = entry.pointee.pw_name else { return "uid \(user)" }
        return String(cString: name)
    }

    package static func groupName(_ group: UInt32) -> String {
        guard let entry = getgrgid(group), let name = entry.pointee.gr_name else { return "gid \(group)" }
        return String(cString: name)
    }

    package static var ownUser: UInt32 { getuid() }
}

/// A pipe for what a child prints, where that is read while it runs.
package enum ChildOutput {
    /// Both ends are the caller's to own. Ours does not block; the child's does, as programs expect of their output.
    package static func open() throws(SystemError) -> (readEnd: Int32, writeEnd: Int32) {
        var ends: [Int32] = [-1, -1]
        try checked("pipe2") { pipe2(&ends, O_CLOEXEC) }
        let result = fcntl(ends[0], F_SETFL, O_NONBLOCK)
        precondition(result == 0, "a fresh pipe takes a flag")
        return (ends[0], ends[1])
    }

    /// What is there now; empty: nobody can write any more; nil: nothing yet.
    package static func read(_ descriptor: Int32, bytesMax: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: bytesMax)
        while true {
            let count = Glibc.read(descriptor, &bytes, bytesMax)
            if count >= 0 { return Array(bytes[..<count]) }
            if errno == EAGAIN { return nil }
            if errno != EINTR { return [] }
        }
    }
}
