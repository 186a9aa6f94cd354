package tim.presence

/**
 * A real presence server inside this process: for an application's own tests, for demos, for use on a single machine. It listens
 * on a free port of this machine alone and keeps everything in memory, unless its options say otherwise.
 *
 * @param optionsJson a JSON object; the keys are in docs/C_API.md, "Options of the embedded server". An empty one has the app 1400000001,
 *   a random key, and accounts that exist as soon as somebody subscribes to them
 * @throws PresenceException -5 the options are not valid, the text names the key; -18 the address is in use; -12 this build has no server
 */
public class EmbeddedServer @JvmOverloads constructor(optionsJson: String = "{}") : AutoCloseable {
    private val handle: Long = LongArray(1).also { requireOk(Native.serverStart(utf8(optionsJson, "optionsJson"), it)) }[0]

    /** Where it listens, as a client wants it: `tim://127.0.0.1:40123`. */
    public val address: String
        get() {
            val code = IntArray(1)
            val address = Native.serverAddress(handle, code)
            requireOk(code[0])
            return String(address ?: ByteArray(0), Charsets.UTF_8)
        }

    /**
     * Makes a UserSig, as a backend would. The account need not exist.
     *
     * @param userId 1 to 32 bytes of printable ASCII
     * @param validSeconds for how long from now on; at least 1
     */
    @JvmOverloads
    public fun issueUserSig(userId: String, validSeconds: Int = 3600): String {
        val code = IntArray(1)
        // C's seconds have no sign; 0 is refused there, with a text.
        val sig = Native.serverIssueUserSig(handle, utf8(userId, "userId"), validSeconds.coerceAtLeast(0), code)
        requireOk(code[0])
        return String(sig ?: ByteArray(0), Charsets.UTF_8)
    }

    /** Stops it and waits for its threads, at most 10 seconds. Its clients see a lost connection. Does nothing the second time. */
    override fun close() {
        Native.serverStop(handle, STOP_MS)
    }

    private companion object {
        const val STOP_MS = 10_000
    }
}
