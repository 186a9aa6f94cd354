package tim.presence

/**
 * A call was refused or failed. Which of the subclasses it is says what a program can do:
 *
 * - [PresenceRetriableException]: the same call may succeed later;
 * - [PresenceFatalException]: the client is over, make a new one;
 * - [PresenceUsageException]: the calling program has a mistake;
 * - neither of them: the answer is no: nobody is logged in, the UserSig does not fit, there is no such account.
 *
 * @property code the number: negative if the library refused the call, positive if the presence service did. docs/ERRORS.md has all
 * @property errorName the name of the number, such as `TIM_ERR_RATE_LIMITED`; `TIM_ERR_UNKNOWN` for a number that this version
 *   does not know
 * @property retryAfterMs with 7008 and 70050: how long to wait before trying again, in milliseconds; else 0
 */
public open class PresenceException internal constructor(
    public val code: Int,
    public val errorName: String,
    public val retryAfterMs: Long,
    message: String,
) : Exception("$message ($code $errorName)") {
    internal companion object {
        private const val RETRIABLE = 1
        private const val FATAL = 2
        private const val PROGRAMMING = 4

        /** The exception of the family that the library says the code belongs to. */
        fun of(code: Int, message: String, retryAfterMs: Long = 0): PresenceException {
            val name = Native.errorName(code)
            val flags = Native.errorFlags(code)
            return when {
                flags and PROGRAMMING != 0 -> PresenceUsageException(code, name, retryAfterMs, message)
                flags and FATAL != 0 -> PresenceFatalException(code, name, retryAfterMs, message)
                flags and RETRIABLE != 0 -> PresenceRetriableException(code, name, retryAfterMs, message)
                else -> PresenceException(code, name, retryAfterMs, message)
            }
        }

        /** For a code other than 0 that a function just returned on this thread. */
        fun refused(code: Int): PresenceException {
            val message = String(Native.lastError(), Charsets.UTF_8)
            return of(code, message.ifEmpty { String(Native.errorMessage(code), Charsets.UTF_8) })
        }
    }
}

/** The same call may succeed later: no connection, too many calls, the server could not. See [retryAfterMs]. */
public class PresenceRetriableException internal constructor(code: Int, errorName: String, retryAfterMs: Long, message: String) :
    PresenceException(code, errorName, retryAfterMs, message)

/** The client is over: it was closed, or failed by a bug of the library. */
public class PresenceFatalException internal constructor(code: Int, errorName: String, retryAfterMs: Long, message: String) :
    PresenceException(code, errorName, retryAfterMs, message)

/** The calling program has a mistake: an argument out of range, an option that does not exist, a client that was closed before. */
public class PresenceUsageException internal constructor(code: Int, errorName: String, retryAfterMs: Long, message: String) :
    PresenceException(code, errorName, retryAfterMs, message)

/** Throws unless the code is 0; for functions that answer at once. */
internal fun requireOk(code: Int) {
    if (code != 0) throw PresenceException.refused(code)
}
