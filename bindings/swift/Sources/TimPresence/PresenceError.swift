import CTimPresence

/// A call was refused or failed.
public struct PresenceError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What a program can do about it.
    public enum Family: Sendable {
        /// The same call may succeed later: see ``PresenceError/retryAfterMilliseconds``.
        case retriable
        /// The client is over, make a new one: it was closed, or failed by a bug of the library.
        case fatal
        /// The calling program has a mistake.
        case usage
        /// The answer is no: nobody is logged in, the UserSig does not fit, there is no such account.
        case refused
    }

    /// The number: negative if the library refused the call, positive if the presence service did. docs/ERRORS.md has all.
    public let code: Int32
    /// What was wrong, for a person.
    public let message: String
    /// With 7008 and 70050: how long to wait before trying again; else 0.
    public let retryAfterMilliseconds: UInt32

    /// The name of the number, such as `TIM_ERR_RATE_LIMITED`; `TIM_ERR_UNKNOWN` for one that this version does not know.
    public var name: String { String(cString: timErrorName(code)) }

    /// What a program can do about it.
    public var family: Family {
        let flags = timErrorFlags(code)
        if flags & TIM_ERROR_FLAG_PROGRAMMING != 0 { return .usage }
        if flags & TIM_ERROR_FLAG_FATAL != 0 { return .fatal }
        return flags & TIM_ERROR_FLAG_RETRIABLE != 0 ? .retriable : .refused
    }

    public var description: String { "\(message) (\(code) \(name))" }

    init(code: Int32, message: String, retryAfterMilliseconds: UInt32 = 0) {
        self.code = code
        self.message = message
        self.retryAfterMilliseconds = retryAfterMilliseconds
    }

    /// For a code other than 0 that a function just returned on this thread.
    init(refused code: Int32) {
        var text = [CChar](repeating: 0, count: 512) // always suffices, says the header
        let found = timLastErrorMessage(&text, text.count, nil) == TIM_OK && text[0] != 0
        self.init(code: code, message: found ? String(nulTerminated: text) : String(cString: timErrorMessage(code)))
    }
}

/// Throws unless the code is 0; for functions that answer at once.
func requireOK(_ code: Int32) throws {
    if code != TIM_OK { throw PresenceError(refused: code) }
}

/// Whether the library in this process fits the header that this was compiled with, found out once.
let libraryFits: PresenceError? = {
    let code = timCheckAbi(UInt32(TIM_ABI_MAJOR), UInt32(TIM_ABI_MINOR))
    return code == TIM_OK ? nil : PresenceError(refused: code)
}()
