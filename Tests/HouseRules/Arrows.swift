// The architecture as data: who may import whom. README's table and Package.swift must say the same.

enum Arrows {
    /// In the order of README. Modules outside of the package are in `systemModules`.
    static let table: KeyValuePairs<String, [String]> = [
        "CLibevent": [],
        "CYaml": [],
        "CLinux": [],
        "Model": [],
        "Decisions": ["Model"],
        "Rollout": ["Model", "Decisions"],
        "ControlProtocol": ["Model"],
        "Configuration": ["CYaml", "Model"],
        "SystemCalls": ["CLinux", "Model"],
        "EventLoop": ["CLibevent", "SystemCalls", "Model"],
        "Statistics": ["SystemCalls", "Model"],
        "Proxy": ["CLibevent", "CLinux", "SystemCalls", "Statistics", "Decisions", "Model"],
        "Probing": ["EventLoop", "SystemCalls", "Decisions", "Model"],
        "Daemon": [
            "Probing", "Proxy", "Statistics", "EventLoop", "SystemCalls", "ControlProtocol", "Configuration", "Decisions", "Model",
        ],
        "ControlClient": ["ControlProtocol", "EventLoop", "SystemCalls", "Model"],
        "Orchestrator": ["Rollout", "ControlClient", "ControlProtocol", "EventLoop", "SystemCalls", "Model"],
        "lbd": ["Daemon", "Configuration", "EventLoop", "SystemCalls", "Model"],
        "lbctl": [
            "Orchestrator", "Rollout", "ControlClient", "ControlProtocol", "Configuration", "Statistics", "EventLoop", "SystemCalls", "Model",
        ],
        "quickstart": ["EventLoop", "SystemCalls", "Model"],
    ]

    static func imports(of target: String) -> [String]? { table.first { $0.key == target }?.value }

    /// Values in, values out: without kernel, clock, randomness or Foundation.
    static let pure = ["Model", "Decisions", "Rollout", "ControlProtocol"]

    /// Where JSON is read or written. Full Foundation costs 45 MB and is nowhere.
    static let withFoundationEssentials = ["Daemon", "ControlClient", "Orchestrator", "lbctl"]
    static let withLogging = ["Daemon", "lbd"]
    static let withArgumentParser = ["lbd", "lbctl", "quickstart"]

    static func systemModules(of target: String) -> [String] {
        guard !pure.contains(target) else { return [] }
        return ["Glibc", "Synchronization"]
            + (withFoundationEssentials.contains(target) ? ["FoundationEssentials"] : [])
            + (withLogging.contains(target) ? ["Logging"] : [])
            + (withArgumentParser.contains(target) ? ["ArgumentParser"] : [])
    }
}
