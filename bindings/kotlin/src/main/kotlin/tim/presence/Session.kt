package tim.presence

import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.CountDownLatch
import java.util.concurrent.TimeUnit
import java.util.concurrent.atomic.AtomicBoolean
import java.util.concurrent.atomic.AtomicInteger
import kotlin.coroutines.resume
import kotlin.coroutines.resumeWithException
import kotlinx.coroutines.CancellableContinuation
import kotlinx.coroutines.suspendCancellableCoroutine

/**
 * What is behind a [PresenceClient]: the handle, the calls that wait for their result, and who listens.
 *
 * It does not refer to the client, so that one which the program forgot can be collected, and is then closed ([Poller]). What may not
 * be forgotten refers to it instead: each waiting call ([call]) and each collector.
 */
internal class Session(val handle: Long) {
    private class Call(val continuation: CancellableContinuation<Event.Result>, @Suppress("unused") val keepsAlive: Any)

    /** Not a ConcurrentHashMap by type: its own `keys` is younger than the Androids that this serves. */
    private val calls: MutableMap<Int, Call> = ConcurrentHashMap()
    private val lastNumber = AtomicInteger()
    private val closing = AtomicBoolean()
    private val closed = CountDownLatch(1)
    private val codeAndHandled = IntArray(2)

    val statuses = Topic<List<UserStatus>>(::NewestOfEachUser)
    val connection = Topic { Newest<ConnectionChange>(CONNECTION_CHANGES_MAX) }
    val kicked = Topic { Newest<Kicked>(KICKS_MAX) }
    val expired = Topic { Newest<Unit>(1) }
    val evictions = Topic { Newest<List<String>>(EVICTIONS_MAX) }
    val log = Topic { Newest<LogLine>(LOG_LINES_MAX) }

    /**
     * Makes a call and waits for its result. A coroutine that is cancelled meanwhile is free at once; what the call does to the
     * server goes on, and its result is dropped.
     *
     * @param start gets the number of the call and answers what the library answered
     */
    suspend fun call(client: Any, start: (number: Int) -> Int): Event.Result {
        val result = suspendCancellableCoroutine { continuation ->
            val number = lastNumber.incrementAndGet()
            calls[number] = Call(continuation, client)
            continuation.invokeOnCancellation { calls.remove(number) }
            val code = start(number)
            // Whoever removes the call may continue it: the end of the client may have come first.
            if (code != 0 && calls.remove(number) != null) continuation.resumeWithException(PresenceException.refused(code))
        }
        if (result.code != 0) throw PresenceException.of(result.code, result.message, result.retryAfterMs)
        return result
    }

    /** Runs on the polling thread: takes what waits. True if there may be more. */
    fun poll(): Boolean {
        val bytes = Native.poll(handle, EVENTS_A_POLL, codeAndHandled)
        if (bytes != null) {
            val reader = EventReader(bytes)
            while (true) take(reader.next() ?: break)
        }
        return when (codeAndHandled[0]) {
            0 -> codeAndHandled[1] == EVENTS_A_POLL
            NO_MEMORY -> {
                // Results were lost with it. Nobody shall wait for them, and a client that has lost something is of no use.
                failCalls(NO_MEMORY)
                close()
                true
            }
            else -> {
                ended()
                false
            }
        }
    }

    private fun take(event: Event) {
        when (event) {
            is Event.Result -> calls.remove(event.number)?.continuation?.resume(event)
            is Event.Changes -> statuses.publish(event.users)
            is Event.Connection -> connection.publish(event.change)
            is Event.KickedOffline -> kicked.publish(event.kicked)
            is Event.UserSigExpired -> expired.publish(Unit)
            is Event.Evicted -> evictions.publish(event.userIds)
            is Event.Log -> log.publish(event.line)
            // The poll that brought it also answered that it was the last.
            is Event.Closed -> Unit
        }
    }

    private fun failCalls(code: Int) {
        for (number in calls.keys.toList()) {
            val call = calls.remove(number) ?: continue
            call.continuation.resumeWithException(PresenceException.of(code, String(Native.errorMessage(code), Charsets.UTF_8)))
        }
    }

    /** The library has let go of the client. */
    private fun ended() {
        closing.set(true)
        Poller.remove(this)
        failCalls(SHUTDOWN)
        for (topic in listOf(statuses, connection, kicked, expired, evictions, log)) topic.end()
        closed.countDown()
    }

    /** Starts to end the client; does nothing if that was begun already. */
    fun close() {
        if (closing.compareAndSet(false, true)) Native.destroy(handle)
    }

    /** Waits for the end that [close] started. False if it did not come in time. */
    fun awaitClosed(timeoutMs: Long): Boolean = closed.await(timeoutMs, TimeUnit.MILLISECONDS)

    companion object {
        private const val NO_MEMORY = -16
        private const val SHUTDOWN = -9

        /** So that one busy client does not keep the others waiting. */
        private const val EVENTS_A_POLL = 64

        private const val CONNECTION_CHANGES_MAX = 64
        private const val KICKS_MAX = 16
        private const val EVICTIONS_MAX = 256
        private const val LOG_LINES_MAX = 1024
    }
}
