import Foundation
import XCTest

@testable import TimPresence

final class ClientTests: XCTestCase {
    func testAUserIsToldOfAnotherAndOfWhatItSetItself() async throws {
        try await inTime {
            let server = try EmbeddedServer()
            let (alice, bob) = (try server.client(), try server.client())
            try await alice.login(server, "alice")
            XCTAssertEqual(try alice.loginState, .loggedIn)
            XCTAssertEqual(try alice.loginUser, "alice")
            XCTAssertGreaterThan(try alice.serverTimeMilliseconds, 0)
            // Nothing listened at the login; its notification waited (the stream's promise).
            let own = try await alice.statusChanges.first()
            XCTAssertEqual(own.map(\.status), [.online])

            try await bob.login(server, "bob")
            let changes = bob.statusChanges
            let subscribed = try await bob.subscribe(to: ["alice", "nobody-yet"])
            XCTAssertEqual(subscribed.users.map(\.userID), ["alice", "nobody-yet"])
            XCTAssertTrue(subscribed.users.allSatisfy(\.isOK) && subscribed.evicted.isEmpty)
            let listed = try await bob.subscriptions()
            XCTAssertEqual(listed, ["alice", "nobody-yet"])

            try await alice.setSelfStatus("喝茶 ☕ 🎉")
            let told = try await changes.until { $0.contains { !$0.customStatus.isEmpty } }.filter { $0.userID == "alice" }
            XCTAssertEqual(told.map(\.customStatus), ["喝茶 ☕ 🎉"])
            XCTAssertEqual(told.map(\.reason), [.customStatus])
            XCTAssertGreaterThan(told[0].version, subscribed.users[0].version)
            let asked = try await bob.userStatus(of: ["alice"])
            XCTAssertEqual(asked.map(\.version), [told[0].version])
            XCTAssertEqual(asked.map(\.platforms), [.linux])

            try await alice.logout()
            XCTAssertNil(try alice.loginUser)
            let gone = try await changes.until { $0.contains { $0.status != .online } }.filter { $0.userID == "alice" }
            XCTAssertEqual(gone.map(\.status), [.unlogined])
            let ended = try await bob.unsubscribe(from: ["alice"])
            XCTAssertEqual(ended.map(\.userID), ["alice"])
            try await bob.unsubscribeAll()
            let (none, friends) = (try await bob.subscriptions(), try await bob.friends())
            XCTAssertEqual(none + friends, [])
            try alice.notifyNetworkChanged()
        }
    }

    func testWhatIsRefusedHasACodeAndAFamily() async throws {
        let server = try EmbeddedServer(optionsJSON: #"{"rate_calls": 2, "rate_window_ms": 600000}"#)
        let client = try server.client()
        let early = await refused(6014, .refused) { try await client.setSelfStatus("x") }
        XCTAssertEqual(early?.name, "TIM_ERR_NOT_LOGGED_IN")
        await refused(70003, .refused) { try await client.login("alice", userSig: "this is no UserSig") }
        try await client.login(server, "alice")
        await refused(6017, .usage) { try await client.setSelfStatus(String(repeating: "x", count: 101)) }
        await refused(6017, .usage) { _ = try await client.userStatus(of: []) }
        await refused(-4, .usage) { try await client.unsubscribe(from: []) }
        await refused(70107, .refused) { _ = try await client.userStatus(of: ["nobody"]) }
        let both = try await client.userStatus(of: ["alice", "nobody"])
        XCTAssertEqual(both.map(\.code), [0, 70107])
        let soon = await refused(7008, .retriable) { for _ in 0..<3 { _ = try await client.userStatus(of: ["bob", "alice"]) } }
        XCTAssertTrue((1...600_000).contains(soon?.retryAfterMilliseconds ?? 0))
        XCTAssertTrue(soon?.description.contains("TIM_ERR_RATE_LIMITED") ?? false)
    }

    func testTextsThatCCannotBeToldAreRefusedByName() async throws {
        let server = try EmbeddedServer()
        let client = try server.client()
        try await client.login(server, "alice")
        let status = await refused(-4, .usage) { try await client.setSelfStatus("a\0b") }
        XCTAssertTrue(status?.message.contains("customStatus") ?? false)
        let user = await refused(-4, .usage) { _ = try await client.userStatus(of: ["bob", "a\0b"]) }
        XCTAssertTrue(user?.message.contains("userIDs[1]") ?? false)
    }

    func testOptionsReachTheLibraryAndWrongOnesAreRefusedByName() async throws {
        let server = try EmbeddedServer()
        var folder = ""
        _ = try server.client {
            $0.platform = "a \"quoted\" \\ thing"
            $0.dataDirectory = NSTemporaryDirectory() + "tim-presence-swift-\(UUID().uuidString)"
            $0.queueMax = 10
            $0.restoreSubscriptions = false
            $0.loginTimeoutMilliseconds = 5_001
            $0.requestTimeoutMilliseconds = 5_002
            $0.disconnectedWaitMilliseconds = 5_003
            $0.connectTimeoutMilliseconds = 5_004
            $0.logoutTimeoutMilliseconds = 5_005
            $0.backoffBaseMilliseconds = 506
            $0.backoffMaxMilliseconds = 5_007
            folder = $0.dataDirectory ?? ""
        }
        XCTAssertTrue(FileManager.default.fileExists(atPath: folder))
        try FileManager.default.removeItem(atPath: folder)
        let unknown = await refused(-5, .usage) { _ = try server.client { $0.others["no_such_option"] = "1" } }
        XCTAssertTrue(unknown?.message.contains("no_such_option") ?? false, unknown?.message ?? "")
        let queue = await refused(-5, .usage) { _ = try server.client { $0.queueMax = 0 } }
        XCTAssertTrue(queue?.message.contains("queue_max") ?? false, queue?.message ?? "")
        // For an address without TLS.
        let authority = await refused(-5, .usage) { _ = try server.client { $0.caFile = "ca.pem" } }
        XCTAssertTrue(authority?.message.contains("ca_file") ?? false, authority?.message ?? "")
        let pin = await refused(-5, .usage) { _ = try server.client { $0.pinnedPublicKey = "nonsense" } }
        XCTAssertTrue(pin?.message.contains("pinned_public_key") ?? false, pin?.message ?? "")
        let proxy = await refused(-5, .usage) { _ = try server.client { $0.httpProxy = "ftp://127.0.0.1:1" } }
        XCTAssertTrue(proxy?.message.contains("http_proxy") ?? false, proxy?.message ?? "")
        // Less than a client has listeners.
        for _ in 0..<20 { _ = try server.client { $0.queueMax = 1 } }
        await refused(-5, .usage) { _ = try PresenceClient(server: "nonsense", sdkAppID: app) }
        await refused(-5, .usage) { _ = try EmbeddedServer(optionsJSON: #"{"listne": "127.0.0.1:0"}"#) }
    }

    func testConnectionKicksAndLogAreStreamsToo() async throws {
        try await inTime {
            let server = try EmbeddedServer(optionsJSON: #"{"multi_login": "single"}"#)
            let first = try server.client()
            try first.setLogLevel(.debug)
            try await first.login(server, "alice")
            _ = try await first.connectionChanges.until { $0.state == .connected }
            let line = try await first.logLines.first()
            XCTAssertFalse(line.message.isEmpty)
            try first.setLogLevel(nil)
            let second = try server.client()
            try await second.login(server, "alice")
            let kicked = try await first.kickedOffline.first()
            XCTAssertEqual(kicked.code, 6208)
            XCTAssertEqual(try first.loginState, .loggedOut)
        }
    }

    func testEvictedSubscriptionsAreTold() async throws {
        try await inTime {
            let server = try EmbeddedServer(optionsJSON: #"{"subscriptions_max": 2}"#)
            let client = try server.client()
            try await client.login(server, "alice")
            try await client.subscribe(to: ["u1", "u2"])
            let subscribed = try await client.subscribe(to: ["u3"])
            XCTAssertEqual(subscribed.evicted, ["u1"])
            let told = try await client.evictions.first()
            XCTAssertEqual(told, ["u1"])
        }
    }

    func testAnExpiredUserSigIsToldAndARenewedOneGoesOn() async throws {
        try await inTime {
            let server = try EmbeddedServer()
            let (expiring, renewed) = (try server.client(), try server.client())
            try await expiring.loginToExpire(server, "alice")
            try await renewed.login(server, "bob")
            try await renewed.renewUserSig(server.issueUserSig("bob"))
            _ = try await expiring.userSigExpired.first()
            XCTAssertEqual(try renewed.loginState, .loggedIn)
        }
    }

    func testACancelledCallEndsAtOnceAndTheClientGoesOn() async throws {
        try await inTime {
            let unanswered = try PresenceClient(server: "tim://127.0.0.1:9", sdkAppID: app)
            let login = Task { try await unanswered.login("alice", userSig: "sig") }
            login.cancel()
            let result = await login.result
            XCTAssertThrowsError(try result.get()) { XCTAssertTrue($0 is CancellationError) }

            let server = try EmbeddedServer()
            let client = try server.client()
            try await client.login(server, "alice")
            for step in 0..<200 {
                let call = Task { try await client.setSelfStatus("\(step)") }
                call.cancel()
                _ = await call.result
            }
            try await client.setSelfStatus("still here")
            let asked = try await client.userStatus(of: ["alice"])
            XCTAssertEqual(asked.map(\.customStatus), ["still here"])
        }
    }

    func testASlowReaderMissesStepsNeverTheLastState() async throws {
        try await inTime {
            let server = try EmbeddedServer()
            let client = try server.client()
            try await client.login(server, "alice")
            let changes = client.statusChanges
            for step in 0..<500 { try await client.setSelfStatus("step \(step)") }
            let asked = try await client.userStatus(of: ["alice"])
            await client.close()
            var seen: [UInt64] = []
            for await list in changes {
                XCTAssertEqual(Set(list.map(\.userID)).count, list.count)
                seen += list.map(\.version)
            }
            XCTAssertEqual(seen.last, asked[0].version)
            XCTAssertEqual(seen, Array(Set(seen)).sorted())
        }
    }

    func testBoxesAreBounded() {
        func status(_ user: Int, _ version: UInt64) -> UserStatus {
            UserStatus(
                userID: "u\(user)", status: .online, customStatus: "", reason: .login, platforms: [], version: version, sinceMilliseconds: 0, code: 0)
        }
        var users = NewestOfEachUser()
        for user in 0...NewestOfEachUser.usersWaitingMax { users.put([status(user, 1)]) }
        users.put([status(1, 2)])
        let waiting = users.take() ?? []
        XCTAssertEqual(waiting.count, NewestOfEachUser.usersWaitingMax)
        XCTAssertEqual(waiting.last, status(1, 2))
        XCTAssertFalse(waiting.contains { $0.userID == "u0" })
        var newest = Newest<Int>(capacity: 3)
        for number in 1...5 { newest.put(number) }
        XCTAssertEqual([newest.take(), newest.take(), newest.take(), newest.take()], [3, 4, 5, nil])
    }

    func testNumbersOfANewerServerReadAsUnknown() {
        XCTAssertNil(Status(rawValue: 99))
        XCTAssertEqual(PresenceError(code: 12345, message: "").name, "TIM_ERR_UNKNOWN")
        XCTAssertNil(libraryFits)
        XCTAssertFalse(PresenceClient.libraryVersion.isEmpty)
    }
}
