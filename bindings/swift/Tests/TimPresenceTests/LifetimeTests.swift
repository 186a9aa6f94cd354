import Foundation
import XCTest

@testable import TimPresence

final class LifetimeTests: XCTestCase {
    func testClientsThatComeAndGoWhileEventsFlowLoseNoneOfOthers() async throws {
        try await inTime {
            let server = try EmbeddedServer()
            let (alice, bob) = (try server.client(), try server.client())
            try await alice.login(server, "alice")
            try await bob.login(server, "bob")
            let changes = bob.statusChanges
            try await bob.subscribe(to: ["alice"])
            let churn = Task {
                while !Task.isCancelled { _ = try server.client().statusChanges }
            }
            for step in 0..<300 {
                try await alice.setSelfStatus("step \(step)")
                _ = try await changes.until { $0.contains { $0.customStatus == "step \(step)" } }
            }
            churn.cancel()
            _ = await churn.result
        }
    }

    func testAClientThatNobodyHasIsClosedAndOneWithAStreamIsNot() async throws {
        try await inTime {
            let server = try EmbeddedServer()
            let watcher = try server.client()
            try await watcher.login(server, "carol")
            let told = watcher.statusChanges
            try await watcher.subscribe(to: ["alice", "bob"])
            weak var lost: PresenceClient?
            let kept: AsyncStream<[UserStatus]>
            do {
                let alice = try server.client()
                try await alice.login(server, "alice")
                kept = alice.statusChanges
                let bob = try server.client()
                lost = bob
                try await bob.login(server, "bob")
            }
            _ = try await told.until { $0.contains { $0.userID == "bob" && $0.status == .offline } }
            XCTAssertNil(lost)
            let alice = try await watcher.userStatus(of: ["alice"])
            XCTAssertEqual(alice.map(\.status), [.online])
            let own = try await kept.first()
            XCTAssertEqual(own.map(\.userID), ["alice"])
        }
    }

    func testAClosedClientRefusesCallsEndsStreamsAndFreesWhatWaits() async throws {
        let server = try EmbeddedServer()
        let client = try server.client()
        try await client.login(server, "alice")
        let changes = client.statusChanges
        await client.close()
        await client.close()
        var seen: [String] = []
        for await list in changes { seen += list.map(\.userID) }
        XCTAssertEqual(seen, ["alice"])
        await refused(-3, .usage) { try await client.setSelfStatus("x") }
        await refused(-3, .usage) { _ = try client.loginState }
        for await _ in client.statusChanges { XCTFail("a closed client told something") }

        // Nobody answers this login; closing ends it.
        let unanswered = try PresenceClient(server: "tim://127.0.0.1:9", sdkAppID: app)
        let states = unanswered.connectionChanges
        let login = Task { try await unanswered.login("alice", userSig: "sig") }
        _ = try await states.until { $0.state == .connecting }
        await unanswered.close()
        await refused(-9, .fatal) { try await login.value }
    }

    func testClosingTwiceFromManyTasksAndWhileReading() async throws {
        try await inTime {
            let server = try EmbeddedServer()
            let crowded = try server.client()
            try await crowded.login(server, "alice")
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<8 { group.addTask { await crowded.close() } }
            }
            let reading = try server.client()
            let reader = Task {
                for await _ in reading.statusChanges { await reading.close() }
            }
            try await reading.login(server, "alice")
            await reader.value
            XCTAssertThrowsError(try reading.loginState)
        }
    }

    func testAThousandClientsShareOneThread() async throws {
        try await inTime {
            let server = try EmbeddedServer(optionsJSON: #"{"multi_login": "unlimited"}"#)
            let sig = try server.issueUserSig("alice")
            let first = try server.client()
            try await first.login("alice", userSig: sig)
            let threads = Self.threads()
            let clients = try (0..<1_000).map { _ in try server.client() }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for client in clients { group.addTask { try await client.login("alice", userSig: sig) } }
                try await group.waitForAll()
            }
            // Swift's own threads are a few; a thread for each would show.
            XCTAssertLessThan(Self.threads(), threads + 50)
            let told = clients.map(\.statusChanges)
            try await first.setSelfStatus("to all")
            try await withThrowingTaskGroup(of: Void.self) { group in
                for changes in told { group.addTask { _ = try await changes.until { $0.contains { $0.customStatus == "to all" } } } }
                try await group.waitForAll()
            }
            await withTaskGroup(of: Void.self) { group in
                for client in clients { group.addTask { await client.close() } }
            }
        }
    }

    func testAThousandCyclesLeaveNothing() async throws {
        try await inTime {
            let server = try EmbeddedServer()
            let sig = try server.issueUserSig("alice")
            @Sendable func cycle() async throws {
                let client = try server.client()
                try await client.login("alice", userSig: sig)
                _ = try await client.statusChanges.first()
                await client.close()
            }
            for _ in 0..<200 { try await cycle() }
            let before = (Self.descriptors(), Self.threads(), Self.residentKiB())
            for _ in 0..<1_000 { try await cycle() }
            let after = (Self.descriptors(), Self.threads(), Self.residentKiB())
            // The server closes its ends in its own time: 1 000 of anything would show.
            XCTAssertLessThan(after.0, before.0 + 100, "descriptors")
            XCTAssertLessThan(after.1, before.1 + 20, "threads")
            XCTAssertLessThan(after.2, before.2 + 16 * 1024, "KiB resident")
        }
    }

    func testACancelledReaderIsFreeAtOnce() async throws {
        try await inTime {
            let server = try EmbeddedServer()
            let client = try server.client()
            for _ in 0..<200 {
                let reader = Task { () -> Int in
                    var count = 0
                    for await _ in client.kickedOffline { count += 1 }
                    return count
                }
                reader.cancel()
                let count = await reader.value
                XCTAssertEqual(count, 0)
            }
        }
    }

    func testAProgramThatEndsWithoutClosingEndsThirtyTimes() throws {
        let tests = URL(fileURLWithPath: try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
        let program = tests.deletingLastPathComponent().appendingPathComponent("EndsWithoutClosing")
        for _ in 0..<30 {
            let process = Process()
            let output = Pipe()
            process.executableURL = program
            process.standardOutput = output
            process.standardError = output
            try process.run()
            let said = output.fileHandleForReading.readDataToEndOfFile()
            process.waitUntilExit()
            XCTAssertEqual(process.terminationStatus, 0)
            XCTAssertEqual(String(decoding: said, as: UTF8.self), "going\n")
        }
    }

    private static func entries(_ folder: String) -> Int {
        (try? FileManager.default.contentsOfDirectory(atPath: folder).count) ?? 0
    }

    private static func descriptors() -> Int { entries("/proc/self/fd") }
    private static func threads() -> Int { entries("/proc/self/task") }

    private static func residentKiB() -> Int {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let line = status.components(separatedBy: "\n").first { $0.hasPrefix("VmRSS") } ?? ""
        return Int(line.filter(\.isNumber)) ?? 0
    }
}
