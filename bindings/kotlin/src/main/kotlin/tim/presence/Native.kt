package tim.presence

/**
 * The functions of the JNI shim (native/calls.c), which are those of the C library with texts as bytes.
 *
 * Using this object loads the library and checks that it fits: `UnsatisfiedLinkError` if there is none for this system,
 * [PresenceUsageException] with `TIM_ERR_ABI_MISMATCH` if it is another version.
 */
internal object Native {
    /** The ABI that this code is written for. Compare TIM_ABI_MAJOR and TIM_ABI_MINOR of the header. */
    private const val ABI_MAJOR = 0
    private const val ABI_MINOR = 1

    init {
        NativeLoader.load()
        val code = checkAbi(ABI_MAJOR, ABI_MINOR)
        if (code != 0) throw PresenceException.refused(code)
    }

    @JvmStatic external fun create(options: ByteArray, client: LongArray): Int
    @JvmStatic external fun destroy(client: Long): Int
    @JvmStatic external fun next(timeoutMs: Long): Long
    @JvmStatic external fun poll(client: Long, maxEvents: Int, codeAndHandled: IntArray): ByteArray?
    @JvmStatic external fun log(client: Long, level: Int): Int

    @JvmStatic external fun login(client: Long, number: Int, userId: ByteArray, userSig: ByteArray): Int
    @JvmStatic external fun logout(client: Long, number: Int): Int
    @JvmStatic external fun renewUserSig(client: Long, number: Int, userSig: ByteArray): Int
    @JvmStatic external fun loginState(client: Long, state: IntArray): Int
    @JvmStatic external fun loginUser(client: Long, code: IntArray): ByteArray?
    @JvmStatic external fun serverTime(client: Long, ms: LongArray): Int
    @JvmStatic external fun networkChanged(client: Long): Int

    @JvmStatic external fun setSelfStatus(client: Long, number: Int, customStatus: ByteArray): Int
    @JvmStatic external fun getUserStatus(client: Long, number: Int, joined: ByteArray, count: Int): Int
    @JvmStatic external fun subscribe(client: Long, number: Int, joined: ByteArray, count: Int): Int
    @JvmStatic external fun unsubscribe(client: Long, number: Int, joined: ByteArray, count: Int): Int
    @JvmStatic external fun unsubscribeAll(client: Long, number: Int): Int
    @JvmStatic external fun getSubscriptions(client: Long, number: Int): Int
    @JvmStatic external fun getFriends(client: Long, number: Int): Int

    @JvmStatic external fun errorName(code: Int): String
    @JvmStatic external fun errorMessage(code: Int): ByteArray
    @JvmStatic external fun errorFlags(code: Int): Int
    @JvmStatic external fun lastError(): ByteArray
    @JvmStatic external fun version(): String
    @JvmStatic external fun checkAbi(major: Int, minorMin: Int): Int

    @JvmStatic external fun serverStart(options: ByteArray, server: LongArray): Int
    @JvmStatic external fun serverAddress(server: Long, code: IntArray): ByteArray?
    @JvmStatic external fun serverIssueUserSig(server: Long, userId: ByteArray, validSeconds: Int, code: IntArray): ByteArray?
    @JvmStatic external fun serverStop(server: Long, timeoutMs: Int): Int
}
