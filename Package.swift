// swift-tools-version: 6.2
// The arrows between these targets are the architecture: README.md has the table, Tests/HouseRules holds it.
import PackageDescription

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableUpcomingFeature("ExistentialAny"),
    .treatAllWarnings(as: .error),
]

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")

func module(_ name: String, _ imports: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: imports, swiftSettings: settings)
}

func program(_ name: String, _ imports: [Target.Dependency]) -> Target {
    .executableTarget(name: name, dependencies: imports, swiftSettings: settings)
}

func tests(_ name: String, _ imports: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: imports, path: "Tests/\(name)", swiftSettings: settings)
}

let package = Package(
    name: "sluice",
    products: [
        .executable(name: "lbd", targets: ["lbd"]),
        .executable(name: "lbctl", targets: ["lbctl"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    ],
    targets: [
        // Borders to C: headers, and the macros that Swift cannot import.
        .systemLibrary(name: "CLibevent", pkgConfig: "libevent_extra", providers: [.apt(["libevent-dev"])]),
        .systemLibrary(name: "CYaml", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        .systemLibrary(name: "CLinux"),

        // Pure: values in, values out.
        module("Model", []),
        module("Decisions", ["Model"]),
        module("Rollout", ["Model", "Decisions"]),
        module("ControlProtocol", ["Model"]),
        module("Configuration", ["CYaml", "Model"]),

        // The kernel, and the two worlds on top of it.
        module("SystemCalls", ["CLinux", "Model"]),
        module("EventLoop", ["CLibevent", "SystemCalls", "Model"]),
        module("Statistics", ["SystemCalls", "Model"]),
        module("Proxy", ["CLibevent", "CLinux", "SystemCalls", "Statistics", "Decisions", "Model"]),
        module("Probing", ["EventLoop", "SystemCalls", "Decisions", "Model"]),

        // Wiring.
        module("Daemon", [
            "Probing", "Proxy", "Statistics", "EventLoop", "SystemCalls", "ControlProtocol",
            "Configuration", "Decisions", "Model", logging,
        ]),
        module("ControlClient", ["ControlProtocol", "EventLoop", "SystemCalls", "Model"]),
        module("Orchestrator", ["Rollout", "ControlClient", "ControlProtocol", "EventLoop", "SystemCalls", "Model"]),

        program("lbd", ["Daemon", "Configuration", "EventLoop", "SystemCalls", "Model", argumentParser, logging]),
        program("lbctl", [
            "Orchestrator", "Rollout", "ControlClient", "ControlProtocol", "Configuration", "Statistics",
            "EventLoop", "SystemCalls", "Model", argumentParser,
        ]),
        // The small backend and load generator behind Config/quickstart and the end-to-end tests.
        program("quickstart", ["EventLoop", "SystemCalls", "Model", argumentParser]),

        // What several test targets share: a running loop, a generator with a seed.
        .target(name: "TestSupport", dependencies: ["EventLoop", "SystemCalls", "Model"], path: "Tests/TestSupport", swiftSettings: settings),
        tests("ModelTests", ["Model"]),
        tests("DecisionsTests", ["TestSupport", "Decisions", "Model"]),
        tests("ControlProtocolTests", ["TestSupport", "ControlProtocol", "Model"]),
        tests("SystemCallsTests", ["TestSupport", "SystemCalls", "Model"]),
        tests("EventLoopTests", ["TestSupport", "EventLoop", "SystemCalls", "Model"]),
        tests("ProbingTests", ["TestSupport", "Probing", "EventLoop", "Decisions", "SystemCalls", "Model"]),
        tests("DaemonTests", [
            "TestSupport", "Daemon", "Configuration", "Proxy", "Statistics", "EventLoop", "SystemCalls", "ControlProtocol", "Model", logging,
        ]),
        tests("StatisticsTests", ["TestSupport", "Statistics", "SystemCalls", "Model"]),
        tests("ProxyTests", ["TestSupport", "Proxy", "Statistics", "Decisions", "SystemCalls", "Model"]),
        // The tree as text: arrows, unsafe pointers, banned words, sizes, README.
        tests("HouseRules", []),
        // Real processes on loopback: lbd, lbctl and the distribution's servers and clients.
        tests("EndToEnd", ["TestSupport", "lbd", "lbctl", "Rollout", "ControlProtocol", "Statistics", "SystemCalls", "Model"]),
        tests("RolloutTests", ["Rollout", "SystemCalls", "Decisions", "Model"]),
        // Whole rollouts with faults, by seed.
        tests("Simulation", ["Rollout", "ControlProtocol", "SystemCalls", "Decisions", "Model"]),
        tests("LbctlTests", ["TestSupport", "lbctl", "ControlProtocol", "Statistics", "SystemCalls", "Model", argumentParser]),
        tests("OrchestratorTests", ["TestSupport", "lbctl", "Orchestrator", "Rollout", "ControlClient", "ControlProtocol", "EventLoop", "SystemCalls", "Model"]),
        tests("ConfigurationTests", ["Configuration", "Model"]),
        tests("QuickstartTests", ["quickstart", "EventLoop", "SystemCalls", "Model"]),
    ],
    swiftLanguageModes: [.v6]
)
