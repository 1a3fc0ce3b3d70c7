// A server of the distribution in the foreground, on a free port that is surely its own.
import Foundation
import Glibc
import Model
import SystemCalls
import Testing

enum ForegroundServer {
    /// Starts `arguments(port)` and waits until that very process listens on the port; then both.
    static func start(
        _ lab: Lab, _ name: String, prelude: String = ":", _ arguments: (UInt16) throws -> [String]
    ) throws -> (endpoint: Endpoint, program: RunningProgram) {
        try FreePort.starting { port in
            let program = try lab.start(try arguments(port), name: name, prelude: prelude)
            try eventually(within: .seconds(30), "\(name) to listen on port \(port)") {
                guard try program.isRunning() else { throw HarnessError("it has ended: \(try program.end())") }
                return try isListening(program.process, on: port)
            }
            return (.loopback(port), program)
        }
    }

    /// Whether a listening socket on the port is among the process's descriptors. A connect would tell less: it
    /// may reach another program that took the port, and a server that serves one at a time is busy with it.
    private static func isListening(_ process: pid_t, on port: UInt16) throws -> Bool {
        let sockets = try Set(["/proc/net/tcp", "/proc/net/tcp6"].flatMap { try listeners($0, port) })
        let folder = "/proc/\(process)/fd"
        return try FileManager.default.contentsOfDirectory(atPath: folder).contains { number in
            do { return sockets.contains(try FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\(number)")) } catch {
                // Closed since the folder was read.
                return false
            }
        }
    }

    /// The kernel's names of the sockets that listen on a port: fields 2, 4 and 10 are address, state and inode.
    private static func listeners(_ table: String, _ port: UInt16) throws -> [String] {
        let text = String(decoding: try Files.read(table, bytesMax: 64 << 20), as: UTF8.self)
        let ending = ":" + String(format: "%04X", Int(port))
        return text.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ")
            guard fields.count > 9, fields[1].hasSuffix(ending), fields[3] == "0A" else { return nil }
            return "socket:[\(fields[9])]"
        }
    }
}
