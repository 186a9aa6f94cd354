import Foundation

/// Where a client connects to, and how it behaves. What is not set is as docs/C_API.md says, "Options of a client"; there are also
/// the ranges. A mistake shows when the client is made.
public struct ClientOptions: Sendable, Encodable {
    /// `tim://host[:port]`; the port is 7788 unless given.
    public var server: String
    /// The app.
    public var sdkAppID: UInt64
    /// The kind of device: `iOS` `Android` `Web` `Windows` `Mac` `Linux` `iPad`, or another name. By default that of this system.
    public var platform: String?
    /// A folder of this client's alone, for the device's identity and a logout that could not be said yet. By default none.
    public var dataDirectory: String?
    /// How many calls may wait for their result before the next is refused with `TIM_ERR_BUSY`.
    public var queueMax: Int?
    /// Whether to put the subscription list back when the server cleared it while the user was away.
    public var restoreSubscriptions: Bool?
    /// When a first login gives up, in milliseconds.
    public var loginTimeoutMilliseconds: Int?
    /// How long the server may take to answer before it counts as gone, in milliseconds.
    public var requestTimeoutMilliseconds: Int?
    /// How long a call waits for a connection, in milliseconds.
    public var disconnectedWaitMilliseconds: Int?
    /// How long one attempt to connect may take, in milliseconds.
    public var connectTimeoutMilliseconds: Int?
    /// When a logout completes without the server's answer, in milliseconds.
    public var logoutTimeoutMilliseconds: Int?
    /// Bound of the first wait before reconnecting, in milliseconds; it doubles with each failure.
    public var backoffBaseMilliseconds: Int?
    /// Bound of any wait before reconnecting, in milliseconds.
    public var backoffMaxMilliseconds: Int?
    /// With TLS: a file of the authorities to trust instead of the system's (PEM).
    public var caFile: String?
    /// With TLS: the server's public key, `sha256//` and base64; several with `;` between.
    public var pinnedPublicKey: String?
    /// A proxy that is asked to CONNECT to the server: `http://[user:password@]host:port`.
    public var httpProxy: String?
    /// Options by the names of docs/C_API.md that have no property here, such as those of a newer library. Values are JSON.
    public var others: [String: String] = [:]
    /// All such clients of the process share one thread of the library, which does nothing but hand events on.
    private let delivery = "shared"

    public init(server: String, sdkAppID: UInt64) {
        self.server = server
        self.sdkAppID = sdkAppID
    }

    private enum CodingKeys: String, CodingKey {
        case server, platform, delivery
        case sdkAppID = "sdk_app_id"
        case dataDirectory = "data_dir"
        case queueMax = "queue_max"
        case restoreSubscriptions = "restore_subscriptions"
        case loginTimeoutMilliseconds = "login_timeout_ms"
        case requestTimeoutMilliseconds = "request_timeout_ms"
        case disconnectedWaitMilliseconds = "disconnected_wait_ms"
        case connectTimeoutMilliseconds = "connect_timeout_ms"
        case logoutTimeoutMilliseconds = "logout_timeout_ms"
        case backoffBaseMilliseconds = "backoff_base_ms"
        case backoffMaxMilliseconds = "backoff_max_ms"
        case caFile = "ca_file"
        case pinnedPublicKey = "pinned_public_key"
        case httpProxy = "http_proxy"
    }

    func json() throws -> String {
        let encoder = JSONEncoder()
        var json = String(decoding: try encoder.encode(self), as: UTF8.self)
        for (name, value) in others.sorted(by: { $0.key < $1.key }) {
            let name = String(decoding: try encoder.encode(name), as: UTF8.self)
            json = "\(json.dropLast()), \(name): \(value)}"
        }
        return json
    }
}
