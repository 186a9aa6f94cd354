package tim.presence

import java.util.concurrent.CompletableFuture
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.future.future
import kotlinx.coroutines.launch
import kotlinx.coroutines.yield

/**
 * A [PresenceClient] for Java: futures and listeners in the place of suspending functions and flows.
 *
 * Each future ends as the function of [PresenceClient] of the same name says; if that throws, the future has the
 * [PresenceException], which `join` and `get` wrap as they do any. What hangs on a future, and listeners, run on threads of
 * `Dispatchers.Default`; one listener is never run twice at the same time. Cancelling a future drops the result; what was asked of the server
 * still happens. On Android this class alone needs API level 24, where `CompletableFuture` begins.
 */
public class FutureClient(options: ClientOptions) : AutoCloseable {
    /** A client with the options that most need. */
    public constructor(server: String, sdkAppId: Long) : this(ClientOptions(server, sdkAppId))

    /** Receives what happens. What it throws goes to its thread's handler of uncaught exceptions, and the listener stays. */
    public fun interface Listener<in T> {
        /** Called with one event after another. */
        public fun on(event: T)
    }

    /** The client behind it, for what needs no future. */
    public val client: PresenceClient = PresenceClient(options)

    private val scope = CoroutineScope(SupervisorJob() + Dispatchers.Default)

    /** See [PresenceClient.login]. */
    public fun login(userId: String, userSig: String): CompletableFuture<Void?> = done { client.login(userId, userSig) }

    /** See [PresenceClient.logout]. */
    public fun logout(): CompletableFuture<Void?> = done { client.logout() }

    /** See [PresenceClient.renewUserSig]. */
    public fun renewUserSig(userSig: String): CompletableFuture<Void?> = done { client.renewUserSig(userSig) }

    /** See [PresenceClient.setSelfStatus]. */
    public fun setSelfStatus(customStatus: String): CompletableFuture<Void?> = done { client.setSelfStatus(customStatus) }

    /** See [PresenceClient.getUserStatus]. */
    public fun getUserStatus(userIds: Collection<String>): CompletableFuture<List<UserStatus>> = scope.future { client.getUserStatus(userIds) }

    /** See [PresenceClient.subscribe]. */
    public fun subscribe(userIds: Collection<String>): CompletableFuture<Subscribed> = scope.future { client.subscribe(userIds) }

    /** See [PresenceClient.unsubscribe]. */
    public fun unsubscribe(userIds: Collection<String>): CompletableFuture<List<UserStatus>> =
        scope.future { client.unsubscribe(userIds) }

    /** See [PresenceClient.unsubscribeAll]. */
    public fun unsubscribeAll(): CompletableFuture<Void?> = done { client.unsubscribeAll() }

    /** See [PresenceClient.getSubscriptions]. */
    public fun getSubscriptions(): CompletableFuture<List<String>> = scope.future { client.getSubscriptions() }

    /** See [PresenceClient.getFriends]. */
    public fun getFriends(): CompletableFuture<List<String>> = scope.future { client.getFriends() }

    /** See [PresenceClient.statusChanges]. Close what this returns to end the listening. */
    public fun onStatusChanges(listener: Listener<List<UserStatus>>): AutoCloseable = listen(client.statusChanges, listener)

    /** See [PresenceClient.connectionChanges]. Close what this returns to end the listening. */
    public fun onConnectionChanges(listener: Listener<ConnectionChange>): AutoCloseable = listen(client.connectionChanges, listener)

    /** See [PresenceClient.kickedOffline]. Close what this returns to end the listening. */
    public fun onKickedOffline(listener: Listener<Kicked>): AutoCloseable = listen(client.kickedOffline, listener)

    /** See [PresenceClient.userSigExpired]. Close what this returns to end the listening. */
    public fun onUserSigExpired(listener: Runnable): AutoCloseable = listen(client.userSigExpired) { listener.run() }

    /** See [PresenceClient.evictions]. Close what this returns to end the listening. */
    public fun onEvictions(listener: Listener<List<String>>): AutoCloseable = listen(client.evictions, listener)

    /** See [PresenceClient.logLines]. Close what this returns to end the listening. */
    public fun onLogLines(listener: Listener<LogLine>): AutoCloseable = listen(client.logLines, listener)

    /** See [PresenceClient.close]. Futures that wait end with -9, listeners are told what came before, and no more. */
    override fun close() {
        client.close()
    }

    private fun done(call: suspend () -> Unit): CompletableFuture<Void?> = scope.future {
        call()
        null
    }

    private fun <T> listen(events: Flow<T>, listener: Listener<T>): AutoCloseable {
        // Begun here and now, so that the listener misses nothing that comes after this returned; run elsewhere.
        val job = scope.launch(start = CoroutineStart.UNDISPATCHED) {
            var onCallersThread = true
            events.collect { event ->
                if (onCallersThread) yield()
                onCallersThread = false
                try {
                    listener.on(event)
                } catch (thrown: Exception) {
                    val thread = Thread.currentThread()
                    thread.uncaughtExceptionHandler.uncaughtException(thread, thrown)
                }
            }
        }
        return AutoCloseable { job.cancel() }
    }
}
