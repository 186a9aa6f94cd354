package tim.presence

import java.io.File
import kotlin.system.exitProcess
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeoutOrNull

/*
 * The runner of tests/scenario/README.md in Kotlin: main STORY ADDRESS APP_ID. Everything is on one thread, so that what a client was
 * told before a result has been collected when the call returns.
 */

/** How long anything may take that the story waits for. */
private const val AWAIT_MS = 30_000L

/** Of more users than this only the first, the last and the number are printed. */
private const val ITEMS_SHOWN = 5

private var currentStep = ""

private fun broken(what: String): Nothing {
    System.out.flush()
    System.err.println("at \"$currentStep\": $what")
    exitProcess(2)
}

/** A line that begins with ! asks the driver, and a line on the standard input answers. */
private fun ask(request: String): String {
    println("!$request")
    val answer = readlnOrNull()
    if (answer == null || !answer.startsWith("ok ")) broken("the driver does not answer")
    return answer.removePrefix("ok ")
}

private fun wordsOf(line: String): List<String> = buildList {
    for (match in Regex("\"([^\"]*)\"?|[^ ]+").findAll(line)) {
        if (match.value.startsWith('"')) add(match.groupValues[1]) else addAll(unquoted(match.value))
    }
}

private fun unquoted(word: String): List<String> {
    val (stem, range) = Regex("([^{]*)\\{(.*)\\}").matchEntire(word)?.destructured ?: return listOf(word)
    if (range.startsWith('*')) return listOf(stem.repeat(range.drop(1).toInt()))
    val (first, last) = range.split("..").map { it.toInt() }
    return (first..last).map { "$stem$it" }
}

private val platformNames = mapOf(Platform.OTHER to "Other", Platform.IOS to "iOS", Platform.ANDROID to "Android", Platform.WEB to "Web",
    Platform.WINDOWS to "Windows", Platform.MAC to "Mac", Platform.LINUX to "Linux", Platform.IPAD to "iPad")

private fun codeText(code: Int) = "$code ${Native.errorName(code)}"

private class Person(scope: CoroutineScope, server: String, app: Long, platform: String) {
    val client = PresenceClient(ClientOptions(server, app).also {
        it.platform = platform
        it.backoffBaseMs = 20
        it.backoffMaxMs = 200
        it.disconnectedWaitMs = 1_000
    })

    /** What it was told and nobody printed yet: a [UserStatus], a [ConnectionChange], a [Kicked], a list of evicted users. */
    private val events = ArrayList<Any>()
    private val somethingCame = Channel<Unit>(Channel.CONFLATED)
    private val marks = HashMap<String, Long>()

    init {
        fun <T : Any> listen(flow: Flow<T>, add: (T) -> Unit) = scope.launch(start = CoroutineStart.UNDISPATCHED) {
            flow.collect {
                add(it)
                somethingCame.trySend(Unit)
            }
        }
        listen(client.statusChanges) { events.addAll(it) }
        listen(client.connectionChanges) { events.add(it) }
        listen(client.kickedOffline) { events.add(it) }
        listen(client.evictions) { events.add(it) }
    }

    fun take(wanted: (Any) -> Boolean): Any? = events.firstOrNull(wanted)?.also { events.remove(it) }

    suspend fun await(wanted: (Any) -> Boolean): Any? = withTimeoutOrNull(AWAIT_MS) {
        var found = take(wanted)
        while (found == null) {
            somethingCame.receive()
            found = take(wanted)
        }
        found
    }

    /** The first event that is there, of any kind but the connection's. */
    fun next(): Any? = take { it !is ConnectionChange }

    fun seen(user: UserStatus): String {
        val mark = marks[user.userId]
        if (mark != null && user.version < mark) return "older"
        if (user.version == mark) return "same"
        marks[user.userId] = user.version
        return "newer"
    }

    /** What the server sent before has arrived then. */
    suspend fun roundTrip() {
        client.loginUser?.let { client.getUserStatus(it) }
    }

    fun print(event: Any?) = when (event) {
        is UserStatus -> println("${event.userId} ${event.status} \"${event.customStatus}\" ${event.reason} ${seen(event)}")
        is ConnectionChange -> println(if (event.state == ConnectionState.CONNECTED) "connected" else "disconnected")
        is Kicked -> println("kicked ${codeText(event.code)}")
        is List<*> -> println("evicted ${event.joinToString(" ")}")
        else -> println("nothing came")
    }

    fun print(user: UserStatus, onlyId: Boolean) {
        val name = user.userId.ifEmpty { "\"\"" }
        if (!user.isOk) return println("  $name ${codeText(user.code)}")
        if (onlyId) return println("  $name")
        val platforms = user.platforms.joinToString("+") { platformNames.getValue(it) }.ifEmpty { "nowhere" }
        println("  $name ${user.status} \"${user.customStatus}\" ${user.reason} $platforms ${seen(user)}")
    }

    fun <T> printAll(items: List<T>, print: (T) -> Unit) {
        val shown = if (items.size > ITEMS_SHOWN) listOf(items.first(), items.last()) else items
        println(if (items.size > ITEMS_SHOWN) "ok, ${items.size} users" else "ok")
        shown.forEach(print)
    }

    suspend fun result(block: suspend () -> Unit) = try {
        block()
    } catch (refused: PresenceException) {
        println("error ${errorText(refused)}")
    }
}

private fun errorText(error: PresenceException) = "${error.code} ${error.errorName}" + if (error.retryAfterMs > 0) ", retry later" else ""

private suspend fun login(person: Person, words: List<String>) {
    val user = words[0]
    val sig = when (words.getOrNull(1)) {
        null -> ask("sig $user")
        "with" -> words[2]
        "signed-for" -> ask("sig ${words[2]}")
        "signed-with-another-key" -> ask("sig $user another-key")
        else -> broken("a login ${words[1]}")
    }
    person.client.login(user, sig)
    println("ok")
}

private suspend fun burst(person: Person, times: Int, user: String) {
    for (succeeded in 0 until times) {
        try {
            person.client.getUserStatus(user)
        } catch (refused: PresenceException) {
            return println("ok $succeeded times, then error ${errorText(refused)}")
        }
    }
    println("ok $times times")
}

private suspend fun await(person: Person, words: List<String>) = when (words[0]) {
    "status" -> person.print(person.await { it is UserStatus && it.userId == words[1] })
    "kicked" -> person.print(person.await { it is Kicked })
    "evicted" -> person.print(person.await { it is List<*> })
    "connection" -> {
        val state = if (words[1] == "connected") ConnectionState.CONNECTED else ConnectionState.DISCONNECTED
        var event = person.await { it is ConnectionChange }
        while (event != null && (event as ConnectionChange).state != state) event = person.await { it is ConnectionChange }
        person.print(event)
    }
    else -> broken("awaiting ${words[0]}")
}

private suspend fun until(person: Person, user: String, text: String) {
    while (true) {
        val event = person.await { it is UserStatus && it.userId == user } as UserStatus?
        if (event == null || event.customStatus == text) return person.print(event)
        person.seen(event)
    }
}

private suspend fun step(name: String, person: Person, words: List<String>) = person.result {
    val client = person.client
    when (name) {
        "login" -> login(person, words)
        "logout" -> client.logout().also { println("ok") }
        "set" -> client.setSelfStatus(words[0]).also { println("ok") }
        "get" -> person.printAll(client.getUserStatus(words)) { person.print(it, onlyId = false) }
        "subscribe" -> {
            val subscribed = client.subscribe(words)
            person.printAll(subscribed.users) { person.print(it, onlyId = false) }
            subscribed.evicted.forEach { println("  evicted $it") }
        }
        "unsubscribe" -> person.printAll(client.unsubscribe(words)) { person.print(it, onlyId = true) }
        "unsubscribe-all" -> client.unsubscribeAll().also { println("ok") }
        "subscriptions" -> person.printAll(client.getSubscriptions()) { println("  $it") }
        "friends" -> person.printAll(client.getFriends()) { println("  $it") }
        "burst" -> burst(person, words[0].toInt(), words[1])
        "state" -> println(if (client.loginState == LoginState.LOGGED_IN) "logged in as ${client.loginUser}" else "logged out")
        "await" -> await(person, words)
        "until" -> until(person, words[0], words[1])
        "quiet" -> {
            person.roundTrip()
            generateSequence { person.next() }.toList().ifEmpty { null }?.forEach { person.print(it) } ?: println("nothing")
        }
        "skip" -> {
            person.roundTrip()
            generateSequence { person.next() }.forEach { if (it is UserStatus) person.seen(it) }
            println("ok")
        }
        "close" -> client.close().also { println("ok") }
        else -> broken("no such step")
    }
}

/** See above. */
public fun main(arguments: Array<String>) {
    val (story, server, app) = arguments
    System.setOut(java.io.PrintStream(java.io.FileOutputStream(java.io.FileDescriptor.out), true, "UTF-8"))
    val people = HashMap<String, Person>()
    runBlocking {
        for (line in File(story).readLines()) {
            currentStep = line
            if (line.startsWith("##")) println(line)
            if (line.isEmpty() || line.startsWith("#")) continue
            println("> $line")
            val words = wordsOf(line)
            when (words[0]) {
                "client" -> {
                    people[words[1]] = Person(this, server, app.toLong(), words[2])
                    println("ok")
                }
                "server", "kick" -> {
                    ask("${words[0]} ${words[1]}")
                    println("ok")
                }
                else -> step(words[0], people[words[1]] ?: broken("there is no client ${words[1]}"), words.drop(2))
            }
        }
        people.values.forEach { it.client.close() }
    }
}
