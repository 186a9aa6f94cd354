/// Whether a user is online.
public enum Status: Int32, Sendable {
    /// The client could not learn it, or a newer server said something that this version does not know.
    case unknown = 0
    /// At least one device of the user is connected.
    case online = 1
    /// No device is connected, and at least one went away without logging out.
    case offline = 2
    /// Every device logged out, or the account has never logged in.
    case unlogined = 3
}

/// Why a status last changed.
public enum Reason: Int32, Sendable {
    /// Not known, or a reason that this version does not know.
    case unknown = 0
    /// A device logged in.
    case login = 1
    /// The last device logged out.
    case logout = 2
    /// The last connection ended: the program exited or crashed, or the network reported it.
    case linkClosed = 3
    /// The last connection fell silent for longer than the heartbeat timeout.
    case timeout = 4
    /// The custom status was set or cleared by its user.
    case customStatus = 5
    /// The backend kicked the account.
    case kicked = 6
    /// The UserSig of the last device expired while it was connected.
    case expired = 7
    /// The server did it: registration, restart, deletion of the account.
    case server = 8
}

/// Kinds of devices.
public struct Platforms: OptionSet, Sendable, Hashable {
    public let rawValue: UInt32

    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// One that none of the others names.
    public static let other = Platforms(rawValue: 1)
    /// iPhone.
    public static let iOS = Platforms(rawValue: 2)
    /// Android.
    public static let android = Platforms(rawValue: 4)
    /// A browser.
    public static let web = Platforms(rawValue: 8)
    /// Windows.
    public static let windows = Platforms(rawValue: 16)
    /// macOS.
    public static let mac = Platforms(rawValue: 32)
    /// Linux.
    public static let linux = Platforms(rawValue: 64)
    /// iPad.
    public static let iPad = Platforms(rawValue: 128)
}

/// One user's status.
public struct UserStatus: Sendable, Hashable {
    /// The user.
    public let userID: String
    /// Whether the user is online.
    public let status: Status
    /// What the user set with ``PresenceClient/setSelfStatus(_:)``; empty if nothing, and always unless online.
    public let customStatus: String
    /// Why the status last changed.
    public let reason: Reason
    /// The platforms that are online now. May be empty in a notification; a change of this alone is not notified.
    public let platforms: Platforms
    /// Orders the states of one user: a higher version is newer. Says nothing across users.
    public let version: UInt64
    /// When the status last changed, by the server's clock, in milliseconds since 1970-01-01 UTC.
    public let sinceMilliseconds: Int64
    /// The result for this user in the answer to a call: 0, or 70107 (no such account), 7003 (not a user id), 6017 (oneself, to
    /// subscribe to). Unless it is 0, only ``userID`` means anything. Always 0 in notifications.
    public let code: Int32

    /// Whether the call succeeded for this user.
    public var isOK: Bool { code == 0 }
}

/// What became of a subscribe.
public struct Subscribed: Sendable, Hashable {
    /// Each user that was asked for, once, with its status of the moment or a code of its own.
    public let users: [UserStatus]
    /// The users who fell off the full list (200), oldest first.
    public let evicted: [String]
}

/// How the connection to the server is.
public enum ConnectionState: Int32, Sendable {
    /// Not connected: before a login, after a logout or kick, or between two attempts to reconnect.
    case disconnected = 1
    /// A connection is being made.
    case connecting = 2
    /// Connected and logged in.
    case connected = 3
}

/// A change of the connection.
public struct ConnectionChange: Sendable, Hashable {
    /// How it is now.
    public let state: ConnectionState
    /// 0, or why the connection went or an attempt failed.
    public let code: Int32
    /// The same for a person.
    public let message: String
}

/// The server logged this client out; it does not come back by itself.
public struct Kicked: Sendable, Hashable {
    /// 6208 (the account logged in elsewhere, or was kicked by the backend), 70052 (its UserSig was revoked), or another code with
    /// which the server refuses to continue the session.
    public let code: Int32
    /// The same for a person.
    public let message: String
}

/// Whether somebody is logged in.
public enum LoginState: Int32, Sendable {
    /// Nobody is.
    case loggedOut = 1
    /// A login is on its way.
    case loggingIn = 2
    /// A user is logged in, connected or about to be again.
    case loggedIn = 3
    /// A logout is on its way.
    case loggingOut = 4
}

/// How much a line of the log matters.
public enum LogLevel: Int32, Sendable {
    /// Everything, down to single frames. May hold user content, never a secret.
    case trace = 1
    /// What helps to find a mistake. May hold user content, never a secret.
    case debug = 2
    /// Few lines: connected, reconnecting, kicked.
    case info = 3
    /// Something is wrong outside the library, and it copes.
    case warn = 4
    /// A bug of the library.
    case error = 5
}

/// A line of a client's log.
public struct LogLine: Sendable, Hashable {
    /// How much it matters.
    public let level: LogLevel
    /// The line, without its end.
    public let message: String
}
