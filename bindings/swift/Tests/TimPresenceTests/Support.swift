import Foundation
import XCTest

@testable import TimPresence

let app: UInt64 = 1_400_000_001

/// How long anything may take that a test waits for, in seconds. A passing run needs a fraction.
let deadline: UInt64 = 180

struct TooLate: Error {}

/// Fails if the body takes longer than the deadline.
func inTime<Result: Sendable>(_ body: @escaping @Sendable () async throws -> Result) async throws -> Result {
    try await withThrowingTaskGroup(of: Result.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(nanoseconds: deadline * 1_000_000_000)
            throw TooLate()
        }
        defer { group.cancelAll() }
        guard let first = try await group.next() else { throw TooLate() }
        return first
    }
}

extension EmbeddedServer {
    func client(_ change: (inout ClientOptions) -> Void = { _ in }) throws -> PresenceClient {
        var options = ClientOptions(server: try address, sdkAppID: app)
        change(&options)
        return try PresenceClient(options)
    }
}

extension PresenceClient {
    func login(_ server: EmbeddedServer, _ user: String) async throws {
        try await login(user, userSig: server.issueUserSig(user))
    }

    /// Logs in with a UserSig that expires soon, and was good when the server looked.
    func loginToExpire(_ server: EmbeddedServer, _ user: String) async throws {
        for validSeconds: UInt32 in [1, 2, 4, 8, 16] {
            do {
                return try await login(user, userSig: server.issueUserSig(user, validSeconds: validSeconds))
            } catch let late as PresenceError where late.code == 70001 {
                continue // on a machine that is slower than the UserSig is long
            }
        }
        throw TooLate()
    }
}

extension AsyncStream where Element: Sendable {
    /// The first element that is wanted; those before it are dropped.
    func until(_ wanted: (Element) -> Bool) async throws -> Element {
        for await element in self where wanted(element) { return element }
        throw TooLate()
    }

    func first() async throws -> Element { try await until { _ in true } }
}

extension XCTestCase {
    /// The error that the body throws, which must have this code and be of this family.
    @discardableResult
    func refused(_ code: Int32, _ family: PresenceError.Family, line: UInt = #line, _ body: () async throws -> Void) async -> PresenceError? {
        do {
            try await body()
            XCTFail("expected \(code), and nothing was thrown", line: line)
        } catch let error as PresenceError {
            XCTAssertEqual(error.code, code, "\(error)", line: line)
            XCTAssertEqual(error.family, family, "\(error)", line: line)
            return error
        } catch {
            XCTFail("expected \(code), got \(error)", line: line)
        }
        return nil
    }
}
