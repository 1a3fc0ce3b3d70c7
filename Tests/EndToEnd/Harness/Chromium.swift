// A real browser without a window, driven over its debugging pipe: JSON messages, each ended by a NUL.
import Foundation
import Glibc
import Model
import Synchronization
import SystemCalls
import Testing

final class Chromium: Sendable {
    private let program: RunningProgram
    /// Both ends of each, so that neither side waits for the other to open it.
    private let orders: Descriptor
    private let answers: Descriptor
    private struct State {
        var number = 0
        var session: String?
        var received: [UInt8] = []
    }
    private let state = Mutex(State())

    /// With a page that is empty.
    init(_ lab: Lab) throws {
        for name in ["orders", "answers"] {
            guard mkfifo(lab.path(name), 0o600) == 0 else { throw SystemError("mkfifo", errno, on: name) }
        }
        orders = try Files.open(lab.path("orders"), O_RDWR)
        answers = try Files.open(lab.path("answers"), O_RDWR)
        // Its home is the lab, and so goes with it. No sandbox: tests run as root.
        program = try lab.start([
            "chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions",
            "--hide-scrollbars", "--remote-debugging-pipe", "--user-data-dir=\(lab.path("browser"))", "about:blank",
        ], prelude: "export HOME=\"$PWD\" && exec 3<orders 4>answers")
        let target = try call("Target.createTarget", ["url": "about:blank"])["targetId"] as? String ?? ""
        let session = try call("Target.attachToTarget", ["targetId": target, "flatten": true])["sessionId"] as? String
        state.withLock { $0.session = session }
        _ = try call("Page.enable")
    }

    func open(_ address: String) throws {
        _ = try call("Page.navigate", ["url": address])
        try eventually(within: .seconds(30), "\(address) to be loaded") {
            try text("location.href + ' ' + document.readyState") == "\(address) complete"
        }
    }

    /// What an expression is, as text.
    func text(_ expression: String) throws -> String {
        let result = try call("Runtime.evaluate", ["expression": "String(\(expression))", "returnByValue": true, "awaitPromise": true])
        if let problem = result["exceptionDetails"] { throw HarnessError("\(expression): \(problem)") }
        return (result["result"] as? [String: Any])?["value"] as? String ?? ""
    }

    func number(_ expression: String) throws -> Int { Int(try text(expression)) ?? -1 }

    func size(width: Int, height: Int = 900, dark: Bool) throws {
        _ = try call("Emulation.setDeviceMetricsOverride", ["width": width, "height": height, "deviceScaleFactor": 1, "mobile": false])
        _ = try call("Emulation.setEmulatedMedia", ["features": [["name": "prefers-color-scheme", "value": dark ? "dark" : "light"]]])
    }

    func allowScripts(_ allow: Bool) throws { _ = try call("Emulation.setScriptExecutionDisabled", ["value": !allow]) }

    func press(_ key: String) throws {
        for type in ["keyDown", "keyUp"] { _ = try call("Input.dispatchKeyEvent", ["type": type, "key": key, "code": key, "windowsVirtualKeyCode": key == "Tab" ? 9 : 13]) }
    }

    /// The whole page, as PNG.
    func screenshot() throws -> [UInt8] {
        let result = try call("Page.captureScreenshot", ["format": "png", "captureBeyondViewport": true])
        guard let data = (result["data"] as? String).flatMap({ Data(base64Encoded: $0) }) else { throw HarnessError("no picture: \(result)") }
        return Array(data)
    }

    // MARK: Messages

    private func call(_ method: String, _ parameters: [String: Any] = [:]) throws -> [String: Any] {
        let (number, session) = state.withLock { state in
            state.number += 1
            return (state.number, state.session)
        }
        var message: [String: Any] = ["id": number, "method": method, "params": parameters]
        if let session { message["sessionId"] = session }
        try Files.write(Array(try JSONSerialization.data(withJSONObject: message)) + [0], to: orders.number, on: method)
        return try eventually(within: .seconds(60), "an answer to \(method)") {
            while let answer = try next() {
                guard answer["id"] as? Int == number else { continue }
                if let problem = answer["error"] { throw HarnessError("\(method): \(problem)") }
                return answer["result"] as? [String: Any] ?? [:]
            }
            guard try program.isRunning() else { throw HarnessError("the browser has ended: \(try program.end())") }
            return nil
        }
    }

    /// Nil: none is there yet.
    private func next() throws -> [String: Any]? {
        while true {
            if let message = state.withLock({ state -> [UInt8]? in
                guard let end = state.received.firstIndex(of: 0) else { return nil }
                defer { state.received.removeFirst(end + 1) }
                return Array(state.received[..<end])
            }) {
                return try JSONSerialization.jsonObject(with: Data(message)) as? [String: Any]
            }
            var watched = pollfd(fd: answers.number, events: Int16(POLLIN), revents: 0)
            guard poll(&watched, 1, 20) == 1 else { return nil }
            var buffer = [UInt8](repeating: 0, count: 256 * 1024)
            let count = read(answers.number, &buffer, buffer.count)
            guard count > 0 else { throw SystemError("read", errno, on: "answers") }
            state.withLock { $0.received += buffer[..<count] }
        }
    }
}
