// The README's commands, run as they stand there: a reader who types them gets what it promises.
import Foundation
import Testing

@Suite(.lab(.heavy), .serialized) struct Readme {
    let lab = Lab.current

    /// Building, the demonstration and the tests themselves are run by others: Quickstart and Tests/run.
    private static let runElsewhere = ["Config/quickstart", "Tests/run", "swift build -c release --static-swift-stdlib"]

    /// lbctl finds no balancer in the first moments of `lbd &`; a person types more slowly than a script.
    private static let patience = """
        lbctl() {
            local status=5 try
            for try in $(seq 100); do
                command lbctl "$@" && status=0 || status=$?
                [ $status = 5 ] || break
                sleep 0.1
            done
            return $status
        }
        """

    @Test("every command of the README does what stands beside it")
    func commands() throws {
        let script = try runnable()
        #expect(script.contains("lbctl rollout run"), "the README has lost its examples:\n\(script)")
        let products = URL(fileURLWithPath: try Installed.product("lbd")).deletingLastPathComponent().path
        let file = try lab.write("readme.sh", "set -e\nexport PATH=\"\(products):$PATH\" XDG_STATE_HOME=\"\(lab.path("state"))\"\n\(Readme.patience)\n\(script)\nkill %?lbd\nwait %?lbd\n")
        let end = try lab.run(["bash", "-m", file], within: .seconds(120))
        #expect(end.status == 0, "\(end)")
        #expect(end.output.contains("3 of 3 backends of pool web restarted"), "\(end)")
    }

    /// The `sh` blocks in order, with the example's ports replaced by free ones: tests run side by side.
    private func runnable() throws -> String {
        let root = Installed.packageRoot
        let readme = try String(contentsOfFile: "\(root)/README.md", encoding: .utf8)
        var example = try String(contentsOfFile: "\(root)/Config/example.yaml", encoding: .utf8)
        var script = readme.matches(of: /```sh\n((?:.|\n)*?)```/).map { String($0.1) }.joined()
        for index in 1...3 {
            let port = try FreePort.next()
            example = example.replacingOccurrences(of: "127.0.0.1:900\(index)", with: "127.0.0.1:\(port)")
            script = script.replacingOccurrences(of: "127.0.0.1:900\(index)", with: "127.0.0.1:\(port)")
        }
        let admin = "127.0.0.1:\(try FreePort.next())"
        example = example.replacingOccurrences(of: "127.0.0.1:9180", with: admin)
        script = script.replacingOccurrences(of: "127.0.0.1:9180", with: admin)
        example = example.replacingOccurrences(of: "127.0.0.1:8080", with: "127.0.0.1:0")
        _ = try lab.write("Config/example.yaml", example)
        let lines = script.split(separator: "\n").filter { line in
            !Readme.runElsewhere.contains(String(line)) && !line.hasPrefix("export PATH")
        }
        return lines.joined(separator: "\n")
    }
}
