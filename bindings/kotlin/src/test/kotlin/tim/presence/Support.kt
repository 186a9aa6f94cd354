package tim.presence

import java.io.File
import java.util.concurrent.TimeUnit
import kotlin.test.fail
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout

/** How long anything may take that a test waits for. A passing run needs a fraction. */
internal const val DEADLINE_MS = 180_000L

internal const val APP = 1400000001L

/** Runs [block] on this thread alone, so that what was told before a result is collected before the call returns. */
internal fun test(block: suspend CoroutineScope.() -> Unit) = runBlocking { withTimeout(DEADLINE_MS, block) }

internal fun EmbeddedServer.client(change: ClientOptions.() -> Unit = {}) = PresenceClient(ClientOptions(address, APP).apply(change))

internal suspend fun PresenceClient.login(server: EmbeddedServer, user: String) = login(user, server.issueUserSig(user))

/** Logs in with a UserSig that expires soon, and was good when the server looked. */
internal suspend fun PresenceClient.loginToExpire(server: EmbeddedServer, user: String) {
    for (validSeconds in listOf(1, 2, 4, 8, 16)) {
        try {
            return login(user, server.issueUserSig(user, validSeconds))
        } catch (late: PresenceException) { // on a machine that is slower than the UserSig is long
            if (late.code != 70001) throw late
        }
    }
    fail("no login within 16 s")
}

/** What a flow brings, one by one. */
internal fun <T> CoroutineScope.collect(flow: Flow<T>): Channel<T> {
    val channel = Channel<T>(Channel.UNLIMITED)
    launch(start = CoroutineStart.UNDISPATCHED) {
        flow.collect { channel.send(it) }
        channel.close()
    }
    return channel
}

/** The first value of the channel that is wanted; others are dropped. */
internal suspend fun <T> Channel<T>.until(wanted: (T) -> Boolean): T {
    for (value in this) if (wanted(value)) return value
    fail("the flow ended")
}

/** The exception that the block throws, which must be of this very class. */
internal inline fun <reified E : PresenceException> refusedWith(code: Int, block: () -> Unit): E {
    val thrown = try {
        block()
        fail("expected an exception with $code")
    } catch (thrown: PresenceException) {
        thrown
    }
    if (thrown.code != code || thrown.javaClass != E::class.java) fail("expected $code of ${E::class.java}, got ${thrown.javaClass}: ${thrown.message}", thrown)
    return thrown as E
}

/** What a program of the tests prints, in a process of its own, and how it ended unless that was well. */
internal fun runProgram(main: String, vararg options: String): String {
    val java = File(System.getProperty("java.home"), "bin/java").path
    val classes = System.getProperty("java.class.path")
    val process = ProcessBuilder(java, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx64m", *options, "-cp", classes, main)
        .redirectErrorStream(true).start()
    val said = process.inputStream.bufferedReader().readText()
    if (!process.waitFor(DEADLINE_MS, TimeUnit.MILLISECONDS)) process.destroyForcibly()
    val code = process.waitFor()
    return if (code == 0) said else "$said (ended with $code)"
}
