package tim.presence

import kotlin.concurrent.thread
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.runBlocking

/** A program that returns from `main` while its clients, its server and a stream of events are in full swing. */
internal object EndsWithoutClosing {
    @JvmStatic
    fun main(args: Array<String>) {
        val server = EmbeddedServer()
        val client = server.client()
        runBlocking {
            client.login(server, "alice")
            client.statusChanges.first()
        }
        thread(isDaemon = true) {
            runBlocking {
                var step = 0
                while (true) client.setSelfStatus("step ${step++}")
            }
        }
        runBlocking { client.statusChanges.first { list -> list.any { it.customStatus == "step 3" || it.customStatus > "step 30" } } }
        println("going")
    }
}
