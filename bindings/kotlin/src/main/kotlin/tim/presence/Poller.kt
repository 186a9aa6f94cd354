package tim.presence

import java.lang.ref.PhantomReference
import java.lang.ref.ReferenceQueue

/**
 * The one thread of the process that polls all clients, while there are any. It hands events on and never runs code of the
 * application, unless that insists (`Dispatchers.Unconfined`). A daemon: a program that ends without closing its clients ends.
 *
 * It also closes the clients that the program lost without closing them. (`java.lang.ref.Cleaner`, which does such things, is
 * missing in the Androids that this serves.)
 */
internal object Poller {
    /** How long the thread sleeps at most before it looks for lost clients, when nothing else happens. */
    private const val LOST_CHECK_MS = 60_000L

    /** Guards everything below. Held while a client is made, so that what is told of it finds it. */
    private val lock = Any()
    private val sessions = HashMap<Long, Session>()
    private val owners = HashMap<Long, Owner>()
    private var thread: Thread? = null

    private val lost = ReferenceQueue<PresenceClient>()

    private class Owner(client: PresenceClient, val session: Session) : PhantomReference<PresenceClient>(client, lost)

    /** Makes a client with these options. */
    fun create(options: ByteArray): Session = synchronized(lock) {
        val handle = LongArray(1)
        requireOk(Native.create(options, handle))
        val session = Session(handle[0])
        sessions[session.handle] = session
        if (thread == null) {
            thread = Thread(null, ::run, "tim-presence", 0).apply {
                isDaemon = true
                start()
            }
        }
        session
    }

    /** From now on [session] is closed if [client] is lost. */
    fun own(client: PresenceClient, session: Session) {
        synchronized(lock) { if (sessions.containsKey(session.handle)) owners[session.handle] = Owner(client, session) }
    }

    fun remove(session: Session) {
        synchronized(lock) {
            sessions.remove(session.handle)
            owners.remove(session.handle)
        }
    }

    fun runsHere(): Boolean = Thread.currentThread() === synchronized(lock) { thread }

    private fun run() {
        val more = LinkedHashSet<Long>()
        while (true) {
            val ready = Native.next(if (more.isEmpty()) LOST_CHECK_MS else 0)
            if (ready != 0L) more.add(ready)
            val turn = more.firstOrNull()
            if (turn != null) {
                more.remove(turn)
                val session = synchronized(lock) { sessions[turn] }
                if (session != null && poll(session)) more.add(turn)
            }
            while (true) (lost.poll() as Owner? ?: break).session.close()
            synchronized(lock) {
                if (sessions.isEmpty()) {
                    thread = null
                    return
                }
            }
        }
    }

    /** A mistake of ours, or of a handler that runs here against all advice, must not end the thread that everybody needs. */
    private fun poll(session: Session): Boolean = try {
        session.poll()
    } catch (error: Throwable) {
        val thread = Thread.currentThread()
        thread.uncaughtExceptionHandler.uncaughtException(thread, error)
        true
    }
}
