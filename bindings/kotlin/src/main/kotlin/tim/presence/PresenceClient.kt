package tim.presence

import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.withContext

/**
 * One device of one user: logs in to a presence server, sets the user's status, asks for that of others, and is told of changes.
 *
 * ```
 * PresenceClient("tim://127.0.0.1:7788", 1400000001).use { client ->
 *     client.login("alice", userSig)
 *     client.setSelfStatus("in a meeting")
 *     client.statusChanges.collect { changes -> println(changes) }
 * }
 * ```
 *
 * **Calls** suspend until the server answered, at most as long as the options say, and throw a [PresenceException] if the answer is
 * not success; KDoc names the codes, docs/ERRORS.md explains them. Every call may throw: 6014 nobody is logged in, 6023 logged
 * out meanwhile, 9523 no connection, 9508 the connection was lost before the answer, -9 and -10 the client was closed, -6 too many
 * calls wait. Cancelling a coroutine frees it at once; what was asked of the server still happens.
 *
 * **Flows** may be collected any number of times, in any coroutine. What happens before the first collector of a flow begins is
 * kept for it, so nothing is missed between [login] and `collect`; each further collector sees what comes after it began. They end
 * when the client is closed. A collector may call everything. A slow one delays nobody: changes of status are
 * merged for it, so that it misses steps in between but never the last state of a user.
 *
 * **Threads**: every function may be called from any thread. All clients of a process share one thread, "tim-presence", a daemon,
 * which hands events on; it runs nothing of the application unless that chooses `Dispatchers.Unconfined`.
 *
 * **End**: [close] it, or use it in `use`. A client that the program lost is closed when the garbage collector has found that. A
 * client with a waiting call or a collector is not lost. Closing is not a logout: the server sees a device that went away.
 */
public class PresenceClient(options: ClientOptions) : AutoCloseable {
    /**
     * A client with the options that most need. Throws [PresenceUsageException] if the address or the app is not valid.
     */
    public constructor(server: String, sdkAppId: Long) : this(ClientOptions(server, sdkAppId))

    private val session = Poller.create(utf8(options.toJson(), "options"))

    init {
        Poller.own(this, session)
    }

    // ---- what happens ----

    /**
     * Changes of the users subscribed to, of oneself, and of friends if the app's server says so. One list is what came since the
     * one before, at least one user and none twice. The version of a user only rises.
     */
    public val statusChanges: Flow<List<UserStatus>> get() = flowOf(session.statuses)

    /** How the connection is. A lost one comes back by itself; this is for showing. A slow collector misses the oldest of more than 64. */
    public val connectionChanges: Flow<ConnectionChange> get() = flowOf(session.connection)

    /** The server logged this client out. It does not come back by itself. */
    public val kickedOffline: Flow<Kicked> get() = flowOf(session.kicked)

    /** The UserSig expired; the client waits for [login] with a new one. [renewUserSig] in time avoids this. */
    public val userSigExpired: Flow<Unit> get() = flowOf(session.expired)

    /** Users that fell off the full subscription list, oldest first; told to every device of the user. */
    public val evictions: Flow<List<String>> get() = flowOf(session.evictions)

    /** The client's log, from the level of [setLogLevel]; empty before that. A slow collector misses the oldest of more than 1 024 lines. */
    public val logLines: Flow<LogLine> get() = flowOf(session.log)

    /** Which lines [logLines] has: this level and above, or none (null). The library never prints. */
    public fun setLogLevel(level: LogLevel?) {
        requireOk(Native.log(session.handle, level?.number ?: 0))
    }

    // ---- session ----

    /**
     * Logs a user in; connects first if need be. Also succeeds if this user is logged in already. After a success, a lost
     * connection is restored without your help until [logout], a kick, or the end of the UserSig.
     *
     * @param userId 1 to 32 bytes of printable ASCII
     * @param userSig the UserSig that your backend made for this user; never logged
     * @throws PresenceException 7014 another user is logged in; 7501 a login is on its way; 7003 not a user id; 70001 and the like:
     *   what is wrong with the UserSig; 70020 no such app; 70050 too many failed logins; 9523 no connection in time
     */
    public suspend fun login(userId: String, userSig: String) {
        val user = utf8(userId, "userId")
        val sig = utf8(userSig, "userSig")
        call { number -> Native.login(session.handle, number, user, sig) }
    }

    /**
     * Logs the user out; if this was its last device, others see UNLOGINED. Calls that wait end with 6023, and no change of status
     * is told after this returned. Without a connection it takes at most the option `logoutTimeoutMs`.
     */
    public suspend fun logout() {
        call { number -> Native.logout(session.handle, number) }
    }

    /** Replaces the UserSig before it expires. The connection stays; if the new one is refused, the old one stays in use. */
    public suspend fun renewUserSig(userSig: String) {
        val sig = utf8(userSig, "userSig")
        call { number -> Native.renewUserSig(session.handle, number, sig) }
    }

    /** Whether somebody is logged in. */
    public val loginState: LoginState
        get() {
            val state = IntArray(1)
            requireOk(Native.loginState(session.handle, state))
            return LoginState.of(state[0])
        }

    /** Who is logged in; null when nobody is, and until a login has succeeded. */
    public val loginUser: String?
        get() {
            val code = IntArray(1)
            val user = Native.loginUser(session.handle, code)
            requireOk(code[0])
            return user?.let { String(it, Charsets.UTF_8) }?.ifEmpty { null }
        }

    /**
     * What time the server has, in milliseconds since 1970-01-01 UTC: compare it with [UserStatus.sinceMs], whatever the local clock
     * says. 0 before the first login.
     */
    public val serverTimeMs: Long
        get() {
            val ms = LongArray(1)
            requireOk(Native.serverTime(session.handle, ms))
            return ms[0]
        }

    /** Tells the client that the network changed or came back: it connects anew at once unless it is connected. */
    public fun notifyNetworkChanged() {
        requireOk(Native.networkChanged(session.handle))
    }

    // ---- user status ----

    /**
     * Sets the user's custom status, for all of its devices. It is cleared by itself when the user is no longer online. The change
     * is told after this returned; setting what it already is succeeds and is not told.
     *
     * @param customStatus up to 100 bytes of UTF-8; empty to clear it
     * @throws PresenceException 6017 it is too long
     */
    public suspend fun setSelfStatus(customStatus: String) {
        val text = utf8(customStatus, "customStatus")
        call { number -> Native.setSelfStatus(session.handle, number, text) }
    }

    /**
     * Asks the server for users, subscribed to or not, oneself included.
     *
     * @param userIds 1 to 500 different ones
     * @return each user once, in the order of first mention, with its own [UserStatus.code]
     * @throws PresenceException if no user succeeded: the code of the first; 6017 none or too many; 7008 more than 20 calls in 5 seconds
     *   (see [PresenceException.retryAfterMs]); 7013 the app's plan lacks it; 72001 it is switched off
     */
    public suspend fun getUserStatus(userIds: Collection<String>): List<UserStatus> {
        val ids = Utf8Texts(userIds)
        return call { number -> Native.getUserStatus(session.handle, number, ids.joined, ids.count) }.users
    }

    /** Asks the server for one user. As [getUserStatus] with a list. */
    public suspend fun getUserStatus(userId: String): UserStatus = getUserStatus(listOf(userId)).first()

    /**
     * Subscribes: from now on [statusChanges] tells of each change of these users, following without a gap on the status that this
     * returns. Subscriptions are the user's: all its devices hear the changes. A user has at most 200; past that the oldest go.
     *
     * @param userIds 1 to 100 different ones
     * @throws PresenceException as [getUserStatus]; oneself has 6017 in its own code
     */
    public suspend fun subscribe(userIds: Collection<String>): Subscribed {
        val ids = Utf8Texts(userIds)
        val result = call { number -> Native.subscribe(session.handle, number, ids.joined, ids.count) }
        return Subscribed(result.users, result.evicted)
    }

    /**
     * Ends subscriptions; after this returned, these users' changes are no longer told, unless they are friends. One that is not
     * subscribed to succeeds.
     *
     * @param userIds 1 to 100 different ones. None is refused, so that an emptied list does not end them all: [unsubscribeAll] does
     * @return each user once, in the order of first mention, with its own code
     */
    public suspend fun unsubscribe(userIds: Collection<String>): List<UserStatus> {
        val ids = Utf8Texts(userIds)
        return call { number -> Native.unsubscribe(session.handle, number, ids.joined, ids.count) }.users
    }

    /** Ends all subscriptions. */
    public suspend fun unsubscribeAll() {
        call { number -> Native.unsubscribeAll(session.handle, number) }
    }

    /** The users subscribed to, oldest first. */
    public suspend fun getSubscriptions(): List<String> = call { number -> Native.getSubscriptions(session.handle, number) }.users.map { it.userId }

    /** The user's friends, as the backend keeps them. */
    public suspend fun getFriends(): List<String> = call { number -> Native.getFriends(session.handle, number) }.users.map { it.userId }

    // ---- end ----

    /**
     * Ends the client and waits until it is gone, which takes a moment; at most 10 seconds, and then the rest happens by itself.
     * Calls that wait end with -9, flows end. May be called again, from any thread, also in a collector. On the thread
     * "tim-presence" itself, where only `Dispatchers.Unconfined` leads, it does not wait.
     */
    override fun close() {
        session.close()
        if (Poller.runsHere()) return
        try {
            session.awaitClosed(CLOSE_MS)
        } catch (_: InterruptedException) {
            // The end goes on; whoever interrupted is told.
            Thread.currentThread().interrupt()
        }
    }

    /** As [close] for a coroutine: its thread is not blocked. Also ends the client if it is cancelled. */
    public suspend fun closeAndJoin() {
        session.close()
        withContext(Dispatchers.IO) { session.awaitClosed(CLOSE_MS) }
    }

    private suspend fun call(start: (number: Int) -> Int): Event.Result = session.call(this, start)

    private fun <T> flowOf(topic: Topic<T>): Flow<T> = flow {
        val box = topic.open(this@PresenceClient)
        try {
            do {
                val open = !box.signals.receiveCatching().isClosed
                while (true) emit(box.take() ?: break)
            } while (open)
        } finally {
            topic.close(box)
        }
    }

    public companion object {
        private const val CLOSE_MS = 10_000L

        /** The version of the library, such as "0.1.0". */
        @JvmStatic
        public val libraryVersion: String get() = Native.version()
    }
}
