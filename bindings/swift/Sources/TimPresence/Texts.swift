import CTimPresence
import Foundation

extension String {
    /// Up to the first NUL.
    init(nulTerminated bytes: [CChar]) {
        self.init(decoding: bytes.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// Refuses U+0000, of which C would see only what comes before.
    func checked(_ what: String) throws -> String {
        if utf8.contains(0) { throw PresenceError(code: TIM_ERR_INVALID_ARGUMENT, message: "\(what) holds U+0000") }
        return self
    }
}

/// Calls `body` with C strings that live as long as the call; never with NULL, which means all users to unsubscribe.
func withCStrings<Result>(_ texts: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>, Int) throws -> Result) throws -> Result {
    for (index, text) in texts.enumerated() { _ = try text.checked("userIDs[\(index)]") }
    var copies: [UnsafePointer<CChar>?] = texts.map { UnsafePointer(strdup($0)) }
    copies.append(nil)
    defer { for copy in copies { free(UnsafeMutablePointer(mutating: copy)) } }
    return try copies.withUnsafeBufferPointer { buffer in
        guard let base = buffer.baseAddress else { throw PresenceError(code: TIM_ERR_NO_MEMORY, message: "no memory") }
        return try body(base, texts.count)
    }
}

func texts(_ pointers: UnsafePointer<UnsafePointer<CChar>?>?, _ count: Int) -> [String] {
    (0..<count).compactMap { pointers?[$0].map { String(cString: $0) } }
}

func users(_ pointers: UnsafePointer<UnsafePointer<TimUserStatus>?>?, _ count: Int) -> [UserStatus] {
    (0..<count).compactMap { pointers?[$0].map { UserStatus($0.pointee) } }
}

extension UserStatus {
    init(_ status: TimUserStatus) {
        self.init(
            userID: String(cString: status.user_id), status: Status(rawValue: status.status) ?? .unknown,
            customStatus: String(cString: status.custom_status), reason: Reason(rawValue: status.reason) ?? .unknown,
            platforms: Platforms(rawValue: status.platforms), version: status.version, sinceMilliseconds: status.since_ms, code: status.code)
    }
}
