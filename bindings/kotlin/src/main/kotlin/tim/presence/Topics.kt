package tim.presence

import kotlinx.coroutines.channels.BufferOverflow
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.channels.ReceiveChannel

/**
 * One kind of event, and who waits for it. What comes before anybody waits is kept for the first who does; after that each
 * has its own box from the moment it begins to wait. Everything is bounded, publishing never waits.
 */
internal class Topic<T>(private val makeBox: () -> Box<T>) {
    /** What waits for one collector. */
    interface Box<T> {
        /** A value whenever there is something to take; ends with the client. */
        val signals: ReceiveChannel<*>

        fun put(value: T)

        /** What waits now; null if nothing does. */
        fun take(): T?

        fun end()
    }

    /** With each box, the client of the one who takes from it: a client that is listened to is not lost. */
    private val boxes = HashMap<Box<T>, Any?>()
    private var unclaimed: Box<T>? = makeBox().also { boxes[it] = null }
    private var ended = false

    /** Called by one thread alone. Without the lock, and not by the list itself: what is put may run an unconfined collector here. */
    fun publish(value: T) {
        for (box in synchronized(this) { boxes.keys.toList() }) box.put(value)
    }

    @Synchronized
    fun open(client: Any): Box<T> {
        val box = unclaimed ?: makeBox().also { if (ended) it.end() }
        unclaimed = null
        if (!ended) boxes[box] = client
        return box
    }

    @Synchronized
    fun close(box: Box<T>) {
        boxes.remove(box)
    }

    /** After this, collectors take what waits for them, and end. */
    fun end() {
        val last = synchronized(this) {
            ended = true
            boxes.keys.toList().also { boxes.clear() }
        }
        for (box in last) box.end()
    }
}

/** Keeps the newest [capacity] values. */
internal class Newest<T : Any>(capacity: Int) : Topic.Box<T> {
    override val signals = Channel<Unit>(Channel.CONFLATED)
    private val values = Channel<T>(capacity, BufferOverflow.DROP_OLDEST)

    override fun put(value: T) {
        values.trySend(value)
        signals.trySend(Unit)
    }

    override fun take(): T? = values.tryReceive().getOrNull()

    override fun end() {
        signals.close()
    }
}

/** Keeps one status of each user, the newest, in the order in which they came (R6.3). */
internal class NewestOfEachUser : Topic.Box<List<UserStatus>> {
    override val signals = Channel<Unit>(Channel.CONFLATED)
    private val waiting = LinkedHashMap<String, UserStatus>()

    override fun put(value: List<UserStatus>) {
        synchronized(waiting) {
            for (user in value) {
                waiting.remove(user.userId)
                waiting[user.userId] = user
            }
            while (waiting.size > USERS_WAITING_MAX) waiting.remove(waiting.keys.first())
        }
        signals.trySend(Unit)
    }

    override fun take(): List<UserStatus>? = synchronized(waiting) {
        if (waiting.isEmpty()) return null
        waiting.values.toList().also { waiting.clear() }
    }

    override fun end() {
        signals.close()
    }

    companion object {
        /**
         * A user can watch 200 subscriptions, 3 000 friends and itself. Past this, somebody subscribes to ever new users and does not
         * look: those who are dropped, the oldest, are no longer subscribed to.
         */
        const val USERS_WAITING_MAX = 4096
    }
}
