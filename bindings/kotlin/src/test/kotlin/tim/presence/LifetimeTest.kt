package tim.presence

import java.io.File
import java.lang.ref.WeakReference
import java.util.concurrent.atomic.AtomicInteger
import kotlin.concurrent.thread
import kotlin.test.assertEquals
import kotlin.test.assertNull
import kotlin.test.assertTrue
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Test

class LifetimeTest {
    @Test
    fun `collecting garbage while events flow loses none`() = test {
        EmbeddedServer().use { server ->
            server.client().use { alice ->
                server.client().use { bob ->
                    alice.login(server, "alice")
                    bob.login(server, "bob")
                    val changes = collect(bob.statusChanges)
                    bob.subscribe(listOf("alice"))
                    val collector = launch(Dispatchers.Default) {
                        while (alice.loginUser != null) {
                            System.gc()
                            ByteArray(1 shl 20)
                        }
                    }
                    repeat(300) { step ->
                        alice.setSelfStatus("step $step")
                        changes.until { list -> list.any { it.customStatus == "step $step" } }
                    }
                    alice.logout()
                    collector.join()
                }
            }
        }
    }

    @Test
    fun `a client that is listened to or called is not lost, any other is`() = test {
        EmbeddedServer().use { server ->
            val changes = collect(server.client().also { it.login(server, "alice") }.statusChanges)
            fun forgotten() = WeakReference(server.client().also { client -> runBlocking { client.login(server, "bob") } })
            val lost = forgotten()
            server.client().use { watcher ->
                watcher.login(server, "carol")
                val told = collect(watcher.statusChanges)
                watcher.subscribe(listOf("bob", "alice"))
                // The poller looks after each event, and this brings some, until bob's client was found.
                var gone = false
                while (!gone) {
                    System.gc()
                    watcher.setSelfStatus("${System.nanoTime()}")
                    while (true) {
                        val list = told.tryReceive().getOrNull() ?: break
                        gone = gone || list.any { it.userId == "bob" && it.status == Status.OFFLINE }
                    }
                }
                assertNull(lost.get())
                assertEquals(Status.ONLINE, watcher.getUserStatus("alice").status)
            }
            assertEquals("alice", changes.receive().single().userId)
            coroutineContext[kotlinx.coroutines.Job]!!.children.forEach { it.cancel() }
        }
    }

    @Test
    fun `closing twice, from several threads, and in a collector`() = test {
        EmbeddedServer().use { server ->
            val client = server.client()
            client.login(server, "alice")
            client.close()
            client.close()

            val crowded = server.client()
            crowded.login(server, "alice")
            val closers = List(8) { thread { crowded.close() } }
            closers.forEach { it.join(DEADLINE_MS) }
            assertTrue(closers.none { it.isAlive })

            val collected = server.client()
            val collector = launch(start = CoroutineStart.UNDISPATCHED) { collected.statusChanges.collect { collected.close() } }
            collected.login(server, "alice")
            collector.join()
            refusedWith<PresenceUsageException>(-3) { collected.loginState }

            // On the polling thread itself, where Unconfined leads, close must not wait for that thread.
            val unconfined = server.client()
            val where = async(Dispatchers.Unconfined) { unconfined.statusChanges.first().let { unconfined.close() }.let { Thread.currentThread().name } }
            unconfined.login(server, "alice")
            assertTrue(where.await().startsWith("tim-presence"))
            unconfined.closeAndJoin()
        }
    }

    @Test
    fun `unconfined collectors come and go on the polling thread, and nothing is lost`() = test {
        EmbeddedServer().use { server ->
            val client = server.client()
            client.login(server, "alice")
            client.statusChanges.first()
            // Each leaves in the middle of being told, and so do those who stay when all end.
            val leaving = List(5) { async(Dispatchers.Unconfined) { client.statusChanges.first().single().customStatus } }
            val staying = List(5) { async(Dispatchers.Unconfined) { client.statusChanges.toList().flatten().last().customStatus } }
            client.setSelfStatus("told")
            assertEquals(List(5) { "told" }, leaving.awaitAll())
            client.setSelfStatus("told again")
            client.getUserStatus("alice")
            client.closeAndJoin()
            assertEquals(List(5) { "told again" }, staying.awaitAll())
        }
    }

    @Test
    fun `a thousand clients share one thread`() = test {
        EmbeddedServer("""{"multi_login": "unlimited"}""").use { server ->
            val sig = server.issueUserSig("alice")
            val clients = List(1_000) { server.client() }
            try {
                clients.map { async { it.login("alice", sig) } }.awaitAll()
                val told = clients.map { client ->
                    async { client.statusChanges.first { list -> list.any { it.customStatus == "to all" } } }
                }
                assertEquals(1, Thread.getAllStackTraces().keys.count { it.name == "tim-presence" })
                clients[0].setSelfStatus("to all")
                assertEquals(1_000, told.awaitAll().size)
            } finally {
                clients.map { async(Dispatchers.IO) { it.close() } }.awaitAll()
            }
        }
    }

    @Test
    fun `a thousand cycles leave nothing`() = test {
        EmbeddedServer().use { server ->
            val sig = server.issueUserSig("alice")
            suspend fun cycle() = server.client().use { client ->
                client.login("alice", sig)
                client.statusChanges.first()
            }
            fun descriptors() = File("/proc/self/fd").list().orEmpty().size
            fun threads() = File("/proc/self/task").list().orEmpty().size
            fun residentKiB() = File("/proc/self/status").readLines().first { it.startsWith("VmRSS") }.filter { it.isDigit() }.toInt()
            repeat(200) { cycle() }
            System.gc()
            val before = Triple(descriptors(), threads(), residentKiB())
            repeat(1_000) { cycle() }
            System.gc()
            val after = Triple(descriptors(), threads(), residentKiB())
            // The server closes its ends in its own time, and the JVM has threads and memory of its own: 1 000 of anything would show.
            assertTrue(after.first < before.first + 100, "descriptors: $before, then $after")
            assertTrue(after.second < before.second + 20, "threads: $before, then $after")
            assertTrue(after.third < before.third + 48 * 1024, "KiB resident: $before, then $after")
        }
    }

    @Test
    fun `a program that ends without closing ends, thirty times`() {
        val running = List(RUNNERS) {
            thread(isDaemon = true) {
                repeat(30 / RUNNERS) {
                    val said = runProgram("tim.presence.EndsWithoutClosing")
                    if (said == "going\n") ended.incrementAndGet() else println("it said: $said")
                }
            }
        }
        running.forEach { it.join(DEADLINE_MS) }
        assertEquals(30, ended.get())
    }

    private val ended = AtomicInteger()

    private companion object {
        const val RUNNERS = 3
    }
}
