package tim.presence

import java.nio.ByteBuffer

/** What a poll brought. Compare native/events.c, which writes them. */
internal sealed interface Event {
    /** How call [number] ended. */
    class Result(
        val number: Int,
        val code: Int,
        val message: String,
        val retryAfterMs: Long,
        val users: List<UserStatus>,
        val evicted: List<String>,
    ) : Event

    class Changes(val users: List<UserStatus>) : Event

    class Connection(val change: ConnectionChange) : Event

    class KickedOffline(val kicked: Kicked) : Event

    data object UserSigExpired : Event

    class Evicted(val userIds: List<String>) : Event

    class Log(val line: LogLine) : Event

    /** The client is gone. */
    data object Closed : Event
}

/** Reads the bytes of one poll. */
internal class EventReader(bytes: ByteArray) {
    private val buffer = ByteBuffer.wrap(bytes)

    fun next(): Event? = if (!buffer.hasRemaining()) null else when (val kind = buffer.get().toInt()) {
        1 -> Event.Result(int(), int(), text(), int().toLong() and 0xffff_ffffL, list(::user), list(::text))
        2 -> Event.Changes(list(::user))
        3 -> Event.Connection(ConnectionChange(ConnectionState.of(int()), int(), text()))
        4 -> Event.KickedOffline(Kicked(int(), text()))
        5 -> Event.UserSigExpired
        6 -> Event.Evicted(list(::text))
        7 -> Event.Log(LogLine(LogLevel.of(int()), text()))
        8 -> Event.Closed
        else -> error("the shim wrote an event of kind $kind, which Events.kt does not know")
    }

    private fun int(): Int = buffer.getInt()

    private fun text(): String {
        val length = int()
        if (length == 0) return ""
        val text = String(buffer.array(), buffer.position(), length, Charsets.UTF_8)
        buffer.position(buffer.position() + length)
        return text
    }

    private fun <T> list(element: () -> T): List<T> {
        val count = int()
        return if (count == 0) emptyList() else List(count) { element() }
    }

    private fun user(): UserStatus {
        val code = int()
        val status = Status.of(int())
        val reason = Reason.of(int())
        val platforms = Platform.ofBits(int())
        val version = buffer.getLong()
        val since = buffer.getLong()
        val userId = text()
        return UserStatus(userId, status, text(), reason, platforms, version, since, code)
    }
}
