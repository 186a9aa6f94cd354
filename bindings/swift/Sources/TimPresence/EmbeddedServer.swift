import CTimPresence

/// A real presence server inside this process: for an application's own tests, for demos, for use on a single machine. It listens on
/// a free port of this machine alone and keeps everything in memory, unless its options say otherwise. Stops when nobody
/// refers to it any more, or with ``stop()``.
public final class EmbeddedServer: Sendable {
    private let handle: TimServer

    /// - Parameter optionsJSON: a JSON object; the keys are in docs/C_API.md, "Options of the embedded server". An empty one has the app
    ///   1400000001, a random key, and accounts that exist as soon as somebody subscribes to them
    /// - Throws: -5 the options are not valid, the text names the key; -18 the address is in use; -12 this build has no server
    public init(optionsJSON: String = "{}") throws {
        if let libraryFits { throw libraryFits }
        var server: TimServer = 0
        try requireOK(timServerStart(optionsJSON.checked("optionsJSON"), &server))
        handle = server
    }

    deinit {
        stop()
    }

    /// Where it listens, as a client wants it: `tim://127.0.0.1:40123`.
    public var address: String {
        get throws {
            var address = [CChar](repeating: 0, count: 128) // 64 always suffice, says the header
            try requireOK(timServerAddress(handle, &address, address.count, nil))
            return String(nulTerminated: address)
        }
    }

    /// Makes a UserSig, as a backend would. The account need not exist.
    ///
    /// - Parameter userID: 1 to 32 bytes of printable ASCII
    /// - Parameter validSeconds: for how long from now on; at least 1
    public func issueUserSig(_ userID: String, validSeconds: UInt32 = 3600) throws -> String {
        var sig = [CChar](repeating: 0, count: 1024) // always suffices, says the header
        try requireOK(timServerIssueUserSig(handle, userID.checked("userID"), validSeconds, &sig, sig.count, nil))
        return String(nulTerminated: sig)
    }

    /// Stops it and waits for its threads, at most 10 seconds. Its clients see a lost connection. Does nothing the second time.
    public func stop() {
        timServerStop(handle, 10_000)
    }
}
