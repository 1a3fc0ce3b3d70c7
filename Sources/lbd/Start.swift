// From the command line to the running daemon; the exit status follows sysexits(3) where the file is at fault.
import Configuration
import Daemon
import EventLoop
import Glibc
import Logging
import Model
import SystemCalls

private let exitConfiguration: Int32 = 78

func start(_ arguments: Arguments) -> Int32 {
    do throws(SystemError) { try holdStandardDescriptors() } catch { return 1 }
    if arguments.options {
        print(optionsText(), terminator: "")
        return 0
    }
    guard let path = arguments.config else { preconditionFailure("the arguments were validated") }
    do {
        let file = try ConfigurationFile(path: path)
        let content = try file.load()
        if arguments.check {
            print("\(path): well: \(content.loaded.configuration.summary)")
            return 0
        }
        // Before any thread starts, so that all of them inherit the mask.
        let signals = try Signals.open([SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2])
        return serve(file, content, signals.release())
    } catch let unusable as ConfigurationFile.Unusable {
        complain(unusable.lines)
        return exitConfiguration
    } catch {
        complain(["lbd: \(error)"])
        return 1
    }
}

/// `signals`: the descriptor of the redirected signals, owned by the call.
private func serve(_ file: ConfigurationFile, _ content: ConfigurationFile.Content, _ signals: Int32) -> Int32 {
    let log: Log
    do throws(SystemError) { log = try Log(content.loaded.configuration.log) } catch {
        complain(["lbd: log: \(error)"])
        return 1
    }
    defer { log.finish() }
    LoggingSystem.bootstrap { _ in LogLines(log) }
    let logger = Logger(label: "lbd")
    return Loop.shared.run {
        let source = SignalSource(owning: Descriptor(owning: signals))
        do {
            let daemon = try Daemon(file, content, log: log, logger: logger)
            return try await daemon.run(source)
        } catch {
            logger.critical("cannot run: \(error)")
            return 1
        }
    }
}

private func complain(_ lines: [String]) {
    let text = lines.map { $0 + "\n" }.joined()
    // Where standard error is gone nobody can be told; the exit status says it too.
    do { try Files.write(Array(text.utf8), to: 2) } catch { return }
}
