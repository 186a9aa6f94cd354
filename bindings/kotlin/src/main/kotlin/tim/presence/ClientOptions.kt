package tim.presence

/**
 * Where a client connects to, and how it behaves. What is not set is as docs/C_API.md says, "Options of a client"; there are also
 * the ranges. The client takes a copy; a mistake shows when it is made.
 *
 * @property server `tim://host[:port]`, the port is 7788 unless given
 * @property sdkAppId the app
 */
public class ClientOptions(public val server: String, public val sdkAppId: Long) {
    /** The kind of device: `iOS` `Android` `Web` `Windows` `Mac` `Linux` `iPad`, or another name. By default that of this system. */
    public var platform: String? = null

    /** A folder of this client's alone, for the device's identity and a logout that could not be said yet. By default none. */
    public var dataDir: String? = null

    /** How many calls may wait for their result before the next is refused with `TIM_ERR_BUSY`. */
    public var queueMax: Int? = null

    /** Whether to put the subscription list back when the server cleared it while the user was away. */
    public var restoreSubscriptions: Boolean? = null

    /** When a first login gives up, in milliseconds. */
    public var loginTimeoutMs: Int? = null

    /** How long the server may take to answer before it counts as gone, in milliseconds. */
    public var requestTimeoutMs: Int? = null

    /** How long a call waits for a connection, in milliseconds. */
    public var disconnectedWaitMs: Int? = null

    /** How long one attempt to connect may take, in milliseconds. */
    public var connectTimeoutMs: Int? = null

    /** When a logout completes without the server's answer, in milliseconds. */
    public var logoutTimeoutMs: Int? = null

    /** Bound of the first wait before reconnecting, in milliseconds; it doubles with each failure. */
    public var backoffBaseMs: Int? = null

    /** Bound of any wait before reconnecting, in milliseconds. */
    public var backoffMaxMs: Int? = null

    /** With TLS: a file of the authorities to trust instead of the system's (PEM). */
    public var caFile: String? = null

    /** With TLS: the server's public key, `sha256//` and base64; several with `;` between. */
    public var pinnedPublicKey: String? = null

    /** A proxy that is asked to CONNECT to the server: `http://[user:password@]host:port`. */
    public var httpProxy: String? = null

    /** Options by the names of docs/C_API.md that have no property here, such as those of a newer library. Values are JSON. */
    public val others: MutableMap<String, String> = LinkedHashMap()

    internal fun toJson(): String {
        val fields = linkedMapOf<String, String?>(
            "server" to jsonText(server),
            "sdk_app_id" to sdkAppId.toString(),
            "delivery" to "\"poll\"",
            "platform" to platform?.let(::jsonText),
            "data_dir" to dataDir?.let(::jsonText),
            "queue_max" to queueMax?.toString(),
            "restore_subscriptions" to restoreSubscriptions?.toString(),
            "login_timeout_ms" to loginTimeoutMs?.toString(),
            "request_timeout_ms" to requestTimeoutMs?.toString(),
            "disconnected_wait_ms" to disconnectedWaitMs?.toString(),
            "connect_timeout_ms" to connectTimeoutMs?.toString(),
            "logout_timeout_ms" to logoutTimeoutMs?.toString(),
            "backoff_base_ms" to backoffBaseMs?.toString(),
            "backoff_max_ms" to backoffMaxMs?.toString(),
            "ca_file" to caFile?.let(::jsonText),
            "pinned_public_key" to pinnedPublicKey?.let(::jsonText),
            "http_proxy" to httpProxy?.let(::jsonText),
        )
        fields.putAll(others)
        return fields.filterValues { it != null }.entries.joinToString(", ", "{", "}") { (key, value) -> "${jsonText(key)}: $value" }
    }
}
