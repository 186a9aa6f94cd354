package tim.presence

import java.util.concurrent.CountDownLatch
import kotlin.io.path.createTempDirectory
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertNotEquals
import kotlin.test.assertNull
import kotlin.test.assertTrue
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import org.junit.jupiter.api.Test

class ClientTest {
    @Test
    fun `a user is told of another, and of what it set itself`() = test {
        EmbeddedServer().use { server ->
            server.client().use { alice ->
                server.client().use { bob ->
                    alice.login(server, "alice")
                    assertEquals(LoginState.LOGGED_IN, alice.loginState)
                    assertEquals("alice", alice.loginUser)
                    assertTrue(alice.serverTimeMs > 0)
                    // Nothing listened at the login; its notification waited (the flow's promise).
                    assertEquals(Status.ONLINE, alice.statusChanges.first().single().status)

                    bob.login(server, "bob")
                    val changes = collect(bob.statusChanges)
                    val subscribed = bob.subscribe(listOf("alice", "nobody-yet"))
                    assertEquals(listOf("alice", "nobody-yet"), subscribed.users.map { it.userId })
                    assertTrue(subscribed.users.all { it.isOk } && subscribed.evicted.isEmpty())
                    assertEquals(listOf("alice", "nobody-yet"), bob.getSubscriptions())

                    alice.setSelfStatus("喝茶 ☕ 🎉")
                    val told = changes.until { list -> list.any { it.customStatus.isNotEmpty() } }.single { it.userId == "alice" }
                    assertEquals("喝茶 ☕ 🎉", told.customStatus)
                    assertEquals(Reason.CUSTOM_STATUS, told.reason)
                    assertTrue(told.version > subscribed.users[0].version)
                    val asked = bob.getUserStatus("alice")
                    assertEquals(told.version, asked.version)
                    assertEquals(setOf(Platform.LINUX), asked.platforms)

                    alice.logout()
                    assertNull(alice.loginUser)
                    assertEquals(Status.UNLOGINED, changes.until { list -> list.any { it.status != Status.ONLINE } }.single { it.userId == "alice" }.status)
                    assertEquals(listOf("alice"), bob.unsubscribe(listOf("alice")).map { it.userId })
                    bob.unsubscribeAll()
                    assertEquals(emptyList(), bob.getSubscriptions())
                    assertEquals(emptyList(), bob.getFriends())
                }
            }
        }
    }

    @Test
    fun `what is refused has a code and a family`() = test {
        EmbeddedServer("""{"rate_calls": 2, "rate_window_ms": 600000}""").use { server ->
            server.client().use { client ->
                val early = refusedWith<PresenceException>(6014) { client.setSelfStatus("x") }
                assertEquals("TIM_ERR_NOT_LOGGED_IN", early.errorName)
                refusedWith<PresenceException>(70003) { client.login("alice", "this is no UserSig") }
                client.login(server, "alice")
                refusedWith<PresenceUsageException>(6017) { client.setSelfStatus("x".repeat(101)) }
                refusedWith<PresenceUsageException>(6017) { client.getUserStatus(emptyList()) }
                refusedWith<PresenceUsageException>(-4) { client.unsubscribe(emptyList()) }
                refusedWith<PresenceException>(70107) { client.getUserStatus("nobody") }
                client.getUserStatus(listOf("alice", "nobody")).let { (alice, nobody) ->
                    assertTrue(alice.isOk)
                    assertEquals(70107, nobody.code)
                }
                val soon = refusedWith<PresenceRetriableException>(7008) { repeat(3) { client.getUserStatus(listOf("bob", "alice")) } }
                assertTrue(soon.retryAfterMs in 1..600_000, "${soon.retryAfterMs} ms")
                assertTrue("TIM_ERR_RATE_LIMITED" in soon.message.orEmpty())
            }
        }
    }

    @Test
    fun `texts that C cannot be told are refused, each naming itself`() = test {
        EmbeddedServer().use { server ->
            server.client().use { client ->
                client.login(server, "alice")
                val nul = refusedWith<PresenceUsageException>(-4) { client.setSelfStatus("a\u0000b") }
                assertTrue("customStatus" in nul.message.orEmpty())
                val half = refusedWith<PresenceUsageException>(-2) { client.getUserStatus(listOf("bob", "\ud83d")) }
                assertTrue("userIds[1]" in half.message.orEmpty())
            }
        }
    }

    @Test
    fun `user ids are those that a collection gives, whatever it says of its size`() = test {
        EmbeddedServer().use { server ->
            server.client().use { client ->
                client.login(server, "alice")
                // As one that another thread empties meanwhile.
                val ids = object : AbstractCollection<String>() {
                    override val size get() = 500
                    override fun iterator() = listOf("alice").iterator()
                }
                assertEquals(listOf("alice"), client.getUserStatus(ids).map { it.userId })
                refusedWith<PresenceUsageException>(6017) { client.subscribe(ids) } // oneself
            }
        }
    }

    @Test
    fun `a UserSig is valid for a second at least`() {
        EmbeddedServer().use { server ->
            for (validSeconds in listOf(0, -1)) {
                refusedWith<PresenceUsageException>(-4) { server.issueUserSig("alice", validSeconds) }
            }
        }
    }

    @Test
    fun `options reach the library, and those it does not know are refused by name`() {
        EmbeddedServer().use { server ->
            val folder = createTempDirectory("tim-presence-test-").toFile()
            server.client {
                platform = "a \"quoted\" \\ thing"
                dataDir = folder.path
                queueMax = 10
                restoreSubscriptions = false
                loginTimeoutMs = 5_001
                requestTimeoutMs = 5_002
                disconnectedWaitMs = 5_003
                connectTimeoutMs = 5_004
                logoutTimeoutMs = 5_005
                backoffBaseMs = 506
                backoffMaxMs = 5_007
            }.close()
            assertTrue(folder.list().orEmpty().isNotEmpty())
            folder.deleteRecursively()
            val unknown = refusedWith<PresenceUsageException>(-5) { server.client { others["no_such_option"] = "1" } }
            assertTrue("no_such_option" in unknown.message.orEmpty(), unknown.message)
            refusedWith<PresenceUsageException>(-5) { server.client { queueMax = 0 } }
            for ((name, change) in mapOf<String, ClientOptions.() -> Unit>(
                "ca_file" to { caFile = "ca.pem" }, // for an address without TLS
                "pinned_public_key" to { pinnedPublicKey = "nonsense" },
                "http_proxy" to { httpProxy = "ftp://127.0.0.1:1" },
            )) {
                val wrong = refusedWith<PresenceUsageException>(-5) { server.client(change) }
                assertTrue(name in wrong.message.orEmpty(), wrong.message)
            }
            // Less than a client has listeners.
            server.client { queueMax = 1 }.close()
            refusedWith<PresenceUsageException>(-5) { PresenceClient("nonsense", APP) }
            refusedWith<PresenceUsageException>(-5) { EmbeddedServer("""{"listne": "127.0.0.1:0"}""") }
        }
    }

    @Test
    fun `connection states, kicks and log lines are flows too`() = test {
        EmbeddedServer("""{"multi_login": "single"}""").use { server ->
            server.client().use { first ->
                first.setLogLevel(LogLevel.DEBUG)
                first.login(server, "alice")
                assertEquals(ConnectionState.CONNECTED, collect(first.connectionChanges).until { it.state == ConnectionState.CONNECTED }.state)
                assertTrue(first.logLines.first().message.isNotEmpty())
                server.client().use { second ->
                    second.login(server, "alice")
                    assertEquals(6208, first.kickedOffline.first().code)
                    assertEquals(LoginState.LOGGED_OUT, first.loginState)
                }
            }
        }
    }

    @Test
    fun `evicted subscriptions are told`() = test {
        EmbeddedServer("""{"subscriptions_max": 2}""").use { server ->
            server.client().use { client ->
                client.login(server, "alice")
                client.subscribe(listOf("u1", "u2"))
                assertEquals(listOf("u1"), client.subscribe(listOf("u3")).evicted)
                assertEquals(listOf("u1"), client.evictions.first())
            }
        }
    }

    @Test
    fun `an expired UserSig is told, and a renewed one does not expire`() = test {
        EmbeddedServer().use { server ->
            server.client().use { expiring ->
                server.client().use { renewed ->
                    expiring.loginToExpire(server, "alice")
                    renewed.login("bob", server.issueUserSig("bob", 3600))
                    renewed.renewUserSig(server.issueUserSig("bob"))
                    refusedWith<PresenceException>(70013) { renewed.renewUserSig(server.issueUserSig("alice")) }
                    expiring.userSigExpired.first()
                    assertEquals(LoginState.LOGGED_IN, renewed.loginState)
                }
            }
        }
    }

    @Test
    fun `a closed client refuses calls, ends flows, and frees what waits`() = test {
        EmbeddedServer().use { server ->
            val client = server.client()
            client.login(server, "alice")
            val changes = async(start = CoroutineStart.UNDISPATCHED) { client.statusChanges.toList() }
            client.closeAndJoin()
            assertEquals("alice", changes.await().single().single().userId)
            refusedWith<PresenceUsageException>(-3) { client.setSelfStatus("x") }
            refusedWith<PresenceUsageException>(-3) { client.loginState }
            assertEquals(emptyList(), client.statusChanges.toList())
        }
        // Nobody answers this login; closing ends it.
        val unanswered = PresenceClient("tim://127.0.0.1:9", APP)
        val login = async(start = CoroutineStart.UNDISPATCHED) { refusedWith<PresenceFatalException>(-9) { unanswered.login("alice", "sig") } }
        unanswered.closeAndJoin()
        login.await()
    }

    @Test
    fun `a cancelled call frees its coroutine at once, and the client goes on`() = test {
        EmbeddedServer().use { server ->
            PresenceClient("tim://127.0.0.1:9", APP).use { unanswered ->
                val login = launch(start = CoroutineStart.UNDISPATCHED) { unanswered.login("alice", "sig") }
                login.cancelAndJoin()
                assertTrue(login.isCancelled)
            }
            server.client().use { client ->
                client.login(server, "alice")
                repeat(200) {
                    val call = launch(start = CoroutineStart.UNDISPATCHED) { client.setSelfStatus("$it") }
                    call.cancel()
                }
                client.setSelfStatus("still here")
                assertEquals("still here", client.getUserStatus("alice").customStatus)
            }
        }
    }

    @Test
    fun `a listener of FutureClient is told of what comes after it was added, on a thread of its own`() = test {
        EmbeddedServer().use { server ->
            FutureClient(server.address, APP).use { alice ->
                val here = Thread.currentThread()
                val threads = Channel<Thread>(Channel.UNLIMITED)
                alice.client.login(server, "alice")
                alice.client.getUserStatus("alice") // the login's own notification waits by now, for the first listener
                alice.onStatusChanges { threads.trySend(Thread.currentThread()) }
                assertNotEquals(here, threads.receive())
                // The threads of listeners have something else to do.
                val free = CountDownLatch(1)
                repeat(2 * Runtime.getRuntime().availableProcessors() + 2) { launch(Dispatchers.Default) { free.await() } }
                val told = Channel<List<UserStatus>>(Channel.UNLIMITED)
                alice.onStatusChanges { told.trySend(it) }
                alice.client.setSelfStatus("told")
                alice.client.getUserStatus("alice")
                free.countDown()
                told.until { list -> list.any { it.customStatus == "told" } }
            }
        }
    }

    @Test
    fun `a slow collector misses steps, never the last state`() = test {
        EmbeddedServer().use { server ->
            server.client().use { client ->
                client.login(server, "alice")
                val seen = ArrayList<UserStatus>()
                val collector = launch(Dispatchers.Default, start = CoroutineStart.UNDISPATCHED) {
                    client.statusChanges.collect { changes ->
                        assertEquals(changes.map { it.userId }.distinct(), changes.map { it.userId })
                        synchronized(seen) { seen += changes }
                    }
                }
                repeat(500) { client.setSelfStatus("step $it") }
                val version = client.getUserStatus("alice").version
                client.closeAndJoin()
                collector.join()
                assertEquals(version, seen.last().version)
                assertEquals(seen.map { it.version }.sorted().distinct(), seen.map { it.version })
            }
        }
    }

    @Test
    fun `boxes of events are bounded`() {
        val box = NewestOfEachUser()
        fun status(user: Int, version: Long) = UserStatus("u$user", Status.ONLINE, "", Reason.LOGIN, emptySet(), version, 0, 0)
        for (user in 0..NewestOfEachUser.USERS_WAITING_MAX) box.put(listOf(status(user, 1)))
        box.put(listOf(status(1, 2)))
        val waiting = box.take().orEmpty()
        assertEquals(NewestOfEachUser.USERS_WAITING_MAX, waiting.size)
        assertEquals("u1" to 2L, waiting.last().let { it.userId to it.version })
        assertFalse(waiting.any { it.userId == "u0" })
        val newest = Newest<Int>(3)
        for (number in 1..5) newest.put(number)
        assertEquals(listOf(3, 4, 5), generateSequence { newest.take() }.toList())
    }
}
