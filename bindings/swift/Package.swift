// swift-tools-version:6.0
// tim-presence for Swift. On Linux the C library is the installed one, found with pkg-config; on Apple's systems it is
// TimPresence.xcframework beside this file (docs/SWIFT.md says how to make it).
import PackageDescription

#if os(Linux)
let library: Target = .systemLibrary(name: "CTimPresence", pkgConfig: "tim-presence")
#else
let library: Target = .binaryTarget(name: "CTimPresence", path: "TimPresence.xcframework")
#endif

let package = Package(
    name: "tim-presence",
    platforms: [.macOS(.v12), .iOS(.v15)],
    products: [.library(name: "TimPresence", targets: ["TimPresence"])],
    targets: [
        library,
        .target(name: "TimPresence", dependencies: ["CTimPresence"]),
        .testTarget(name: "TimPresenceTests", dependencies: ["TimPresence"]),
    ],
    swiftLanguageModes: [.v6]
)

// Programs that the tests run; nobody else needs them.
if Context.environment["TIM_PRESENCE_CHECKS"] != nil {
    package.targets.append(.executableTarget(name: "Scenario", dependencies: ["TimPresence"], path: "Checks/Scenario"))
    package.targets.append(.executableTarget(name: "EndsWithoutClosing", dependencies: ["TimPresence"], path: "Checks/EndsWithoutClosing"))
}
