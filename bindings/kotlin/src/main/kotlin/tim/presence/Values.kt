package tim.presence

/** Whether a user is online. */
public enum class Status {
    /** The client could not learn it, or a newer server said something that this version does not know. */
    UNKNOWN,

    /** At least one device of the user is connected. */
    ONLINE,

    /** No device is connected, and at least one went away without logging out. */
    OFFLINE,

    /** Every device logged out, or the account has never logged in. */
    UNLOGINED,
    ;

    internal companion object {
        fun of(number: Int): Status = entries.getOrElse(number) { UNKNOWN }
    }
}

/** Why a status last changed. */
public enum class Reason {
    /** Not known, or a reason that this version does not know. */
    UNKNOWN,

    /** A device logged in. */
    LOGIN,

    /** The last device logged out. */
    LOGOUT,

    /** The last connection ended: the program exited or crashed, or the network reported it. */
    LINK_CLOSED,

    /** The last connection fell silent for longer than the heartbeat timeout. */
    TIMEOUT,

    /** The custom status was set or cleared by its user. */
    CUSTOM_STATUS,

    /** The backend kicked the account. */
    KICKED,

    /** The UserSig of the last device expired while it was connected. */
    EXPIRED,

    /** The server did it: registration, restart, deletion of the account. */
    SERVER,
    ;

    internal companion object {
        fun of(number: Int): Reason = entries.getOrElse(number) { UNKNOWN }
    }
}

/** A kind of device. The order is that of the bits in C. */
public enum class Platform {
    /** One that none of the others names. */
    OTHER,

    /** iPhone. */
    IOS,

    /** Android. */
    ANDROID,

    /** A browser. */
    WEB,

    /** Windows. */
    WINDOWS,

    /** macOS. */
    MAC,

    /** Linux. */
    LINUX,

    /** iPad. */
    IPAD,
    ;

    internal companion object {
        fun ofBits(bits: Int): Set<Platform> = if (bits == 0) emptySet() else entries.filterTo(LinkedHashSet()) { bits and (1 shl it.ordinal) != 0 }
    }
}

/**
 * One user's status.
 *
 * @property userId the user
 * @property status whether the user is online
 * @property customStatus what the user set with [PresenceClient.setSelfStatus]; empty if nothing, and always unless [Status.ONLINE]
 * @property reason why the status last changed
 * @property platforms the platforms that are online now. May be empty in a notification; a change of this alone is not notified
 * @property version orders the states of one user: a higher version is newer. Says nothing across users
 * @property sinceMs when the status last changed, by the server's clock, in milliseconds since 1970-01-01 UTC
 * @property code the result for this user in the answer to a call: 0, or 70107 (no such account), 7003 (not a user id), 6017
 *   (oneself, to subscribe to). Unless it is 0, only [userId] means anything. Always 0 in notifications
 */
public data class UserStatus(
    val userId: String,
    val status: Status,
    val customStatus: String,
    val reason: Reason,
    val platforms: Set<Platform>,
    val version: Long,
    val sinceMs: Long,
    val code: Int,
) {
    /** Whether the call succeeded for this user. */
    public val isOk: Boolean get() = code == 0
}

/**
 * What became of a subscribe.
 *
 * @property users each user that was asked for, once, with its status of the moment or a code of its own
 * @property evicted the users who fell off the full list (200), oldest first
 */
public data class Subscribed(val users: List<UserStatus>, val evicted: List<String>)

/** How the connection to the server is. */
public enum class ConnectionState {
    /** Not connected: before a login, after a logout or kick, or between two attempts to reconnect. */
    DISCONNECTED,

    /** A connection is being made. */
    CONNECTING,

    /** Connected and logged in. */
    CONNECTED,
    ;

    internal companion object {
        fun of(number: Int): ConnectionState = entries.getOrElse(number - 1) { DISCONNECTED }
    }
}

/**
 * A change of the connection.
 *
 * @property state how it is now
 * @property code 0, or why the connection went or an attempt failed
 * @property message the same for a person
 */
public data class ConnectionChange(val state: ConnectionState, val code: Int, val message: String)

/**
 * The server logged this client out; it does not come back by itself.
 *
 * @property code 6208 (the account logged in elsewhere, or was kicked by the backend), 70052 (its UserSig was revoked), or another
 *   code with which the server refuses to continue the session
 * @property message the same for a person
 */
public data class Kicked(val code: Int, val message: String)

/** Whether somebody is logged in. */
public enum class LoginState {
    /** Nobody is. */
    LOGGED_OUT,

    /** A login is on its way. */
    LOGGING_IN,

    /** A user is logged in, connected or about to be again. */
    LOGGED_IN,

    /** A logout is on its way. */
    LOGGING_OUT,
    ;

    internal companion object {
        fun of(number: Int): LoginState = entries.getOrElse(number - 1) { LOGGED_OUT }
    }
}

/** How much a line of the log matters. */
public enum class LogLevel {
    /** Everything, down to single frames. May hold user content, never a secret. */
    TRACE,

    /** What helps to find a mistake. May hold user content, never a secret. */
    DEBUG,

    /** Few lines: connected, reconnecting, kicked. */
    INFO,

    /** Something is wrong outside the library, and it copes. */
    WARN,

    /** A bug of the library. */
    ERROR,
    ;

    /** As C has it. */
    internal val number: Int get() = ordinal + 1

    internal companion object {
        fun of(number: Int): LogLevel = entries.getOrElse(number - 1) { ERROR }
    }
}

/** A line of a client's log. */
public data class LogLine(val level: LogLevel, val message: String)
