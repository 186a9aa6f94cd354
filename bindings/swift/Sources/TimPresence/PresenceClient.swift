import CTimPresence

/// One device of one user: logs in to a presence server, sets the user's status, asks for that of others, and is told of changes.
///
///     let client = try PresenceClient(server: "tim://127.0.0.1:7788", sdkAppID: 1400000001)
///     try await client.login("alice", userSig: userSig)
///     try await client.setSelfStatus("in a meeting")
///     for await changes in client.statusChanges { print(changes) }
///
/// **Calls** wait until the server answered, at most as long as the options say, and throw a ``PresenceError`` if the answer is not
/// success. Each may throw: 6014 nobody is logged in, 6023 logged out meanwhile, 9523 no connection, 9508 the connection was lost
/// before the answer, -9, -10 and -3 the client is closed, -6 too many calls wait. When its task is cancelled a call throws
/// `CancellationError` at once; what was asked of the server still happens.
///
/// **Streams**: what happens before the first stream of a kind was made is kept for it, so nothing is missed between a login and
/// `for await`; each further stream has what comes after it was made. They end when the client is closed. A slow reader
/// delays nobody: changes of status are merged for it, so that it misses steps in between but never the last state of a user.
///
/// **Threads**: everything may be called from any task or thread. One thread of the library hands on the events of all clients; it runs nothing
/// of the application.
///
/// **End**: ``close()``, or letting go of the client and its streams. That is not a logout: the server sees a device that went away.
public final class PresenceClient: Sendable {
    let session = Session()
    private let handle: TimClient

    /// Throws a ``PresenceError`` if an option is not valid (-5, the text names it), or the system has no room (-16).
    public init(_ options: ClientOptions) throws {
        if let libraryFits { throw libraryFits }
        handle = try session.create(options.json())
    }

    /// A client with the options that most need.
    public convenience init(server: String, sdkAppID: UInt64) throws {
        try self.init(ClientOptions(server: server, sdkAppID: sdkAppID))
    }

    deinit {
        session.close(handle)
    }

    /// The version of the library, such as "0.1.0".
    public static var libraryVersion: String { String(cString: timVersion()) }

    // MARK: What happens

    /// Changes of the users subscribed to, of oneself, and of friends if the app's server says so. One list is what came since the one
    /// before, at least one user and none twice. The version of a user only rises.
    public var statusChanges: AsyncStream<[UserStatus]> { session.statuses.stream(of: self) }

    /// How the connection is. A lost one comes back by itself; this is for showing. A slow reader misses the oldest of more than 64.
    public var connectionChanges: AsyncStream<ConnectionChange> { session.connection.stream(of: self) }

    /// The server logged this client out. It does not come back by itself.
    public var kickedOffline: AsyncStream<Kicked> { session.kicked.stream(of: self) }

    /// The UserSig expired; the client waits for ``login(_:userSig:)`` with a new one. ``renewUserSig(_:)`` in time avoids this.
    public var userSigExpired: AsyncStream<Void> { session.expired.stream(of: self) }

    /// Users that fell off the full subscription list, oldest first; told to every device of the user.
    public var evictions: AsyncStream<[String]> { session.evictions.stream(of: self) }

    /// The client's log, from the level of ``setLogLevel(_:)``. A slow reader misses the oldest of more than 1 024 lines.
    public var logLines: AsyncStream<LogLine> { session.log.stream(of: self) }

    /// Which lines ``logLines`` has: this level and above, or none. The library never prints.
    public func setLogLevel(_ level: LogLevel?) throws {
        try session.setLogLevel(handle, level)
    }

    // MARK: Session

    /// Logs a user in; connects first if need be. Also succeeds if this user is logged in already. After a success, a lost connection
    /// is restored without your help until ``logout()``, a kick, or the end of the UserSig.
    ///
    /// - Parameter userID: 1 to 32 bytes of printable ASCII
    /// - Parameter userSig: the UserSig that your backend made for this user; never logged
    /// - Throws: 7014 another user is logged in; 7501 a login is on its way; 7003 not a user id; 70001 and the like: what is wrong with
    ///   the UserSig; 70020 no such app; 70050 too many failed logins; 9523 no connection in time
    public func login(_ userID: String, userSig: String) async throws {
        let (userID, userSig) = (try userID.checked("userID"), try userSig.checked("userSig"))
        try await call { timLogin(handle, userID, userSig, $0, $1) }
    }

    /// Logs the user out; if this was its last device, others see ``Status/unlogined``. Calls that wait end with 6023, and no change of
    /// status is told after this returned.
    public func logout() async throws {
        try await call { timLogout(handle, $0, $1) }
    }

    /// Replaces the UserSig before it expires. The connection stays; if the new one is refused, the old one stays in use.
    public func renewUserSig(_ userSig: String) async throws {
        let userSig = try userSig.checked("userSig")
        try await call { timRenewUserSig(handle, userSig, $0, $1) }
    }

    /// Whether somebody is logged in.
    public var loginState: LoginState {
        get throws {
            var state: Int32 = 0
            try requireOK(timGetLoginState(handle, &state))
            return LoginState(rawValue: state) ?? .loggedOut
        }
    }

    /// Who is logged in; nil when nobody is, and until a login has succeeded.
    public var loginUser: String? {
        get throws {
            var user = [CChar](repeating: 0, count: 64) // 33 always suffice, says the header
            try requireOK(timGetLoginUser(handle, &user, user.count, nil))
            return user[0] == 0 ? nil : String(nulTerminated: user)
        }
    }

    /// What time the server has, in milliseconds since 1970-01-01 UTC: compare it with ``UserStatus/sinceMilliseconds``, whatever the
    /// local clock says. 0 before the first login.
    public var serverTimeMilliseconds: Int64 {
        get throws {
            var milliseconds: Int64 = 0
            try requireOK(timGetServerTime(handle, &milliseconds))
            return milliseconds
        }
    }

    /// Tells the client that the network changed or came back: it connects anew at once unless it is connected.
    public func notifyNetworkChanged() throws {
        try requireOK(timNotifyNetworkChanged(handle))
    }

    // MARK: User status

    /// Sets the user's custom status, for all of its devices. It is cleared by itself when the user is no longer online. The change is
    /// told after this returned; setting what it already is succeeds and is not told.
    ///
    /// - Parameter customStatus: up to 100 bytes of UTF-8; empty to clear it
    /// - Throws: 6017 it is too long
    public func setSelfStatus(_ customStatus: String) async throws {
        let customStatus = try customStatus.checked("customStatus")
        try await call { timSetSelfStatus(handle, customStatus, $0, $1) }
    }

    /// Asks the server for users, subscribed to or not, oneself included.
    ///
    /// - Parameter userIDs: 1 to 500 different ones
    /// - Returns: each user once, in the order of first mention, with its own ``UserStatus/code``
    /// - Throws: if no user succeeded: the code of the first; 6017 none or too many; 7008 more than 20 calls in 5 seconds; 7013 the
    ///   app's plan lacks it; 72001 it is switched off
    public func userStatus(of userIDs: [String]) async throws -> [UserStatus] {
        try await call { done, data in try withCStrings(userIDs) { timGetUserStatus(handle, $0, $1, done, data) } }.users
    }

    /// Subscribes: from now on ``statusChanges`` tells of each change of these users, following without a gap on the status that this
    /// returns. Subscriptions are the user's: all its devices hear the changes. A user has at most 200; past that the oldest go.
    ///
    /// - Parameter userIDs: 1 to 100 different ones
    /// - Throws: as ``userStatus(of:)``; oneself has 6017 in its own code
    @discardableResult
    public func subscribe(to userIDs: [String]) async throws -> Subscribed {
        let outcome = try await call { done, data in try withCStrings(userIDs) { timSubscribeUserStatus(handle, $0, $1, done, data) } }
        return Subscribed(users: outcome.users, evicted: outcome.evicted)
    }

    /// Ends subscriptions; after this returned, these users' changes are no longer told, unless they are friends.
    ///
    /// - Parameter userIDs: 1 to 100 different ones. None is refused, so that an emptied list does not end them all:
    ///   ``unsubscribeAll()`` does
    /// - Returns: each user once, in the order of first mention, with its own code
    @discardableResult
    public func unsubscribe(from userIDs: [String]) async throws -> [UserStatus] {
        try await call { done, data in try withCStrings(userIDs) { timUnsubscribeUserStatus(handle, $0, $1, done, data) } }.users
    }

    /// Ends all subscriptions.
    public func unsubscribeAll() async throws {
        try await call { timUnsubscribeUserStatus(handle, nil, 0, $0, $1) }
    }

    /// The users subscribed to, oldest first.
    public func subscriptions() async throws -> [String] {
        try await call { timGetSubscriptions(handle, $0, $1) }.users.map(\.userID)
    }

    /// The user's friends, as the backend keeps them.
    public func friends() async throws -> [String] {
        try await call { timGetFriends(handle, $0, $1) }.users.map(\.userID)
    }

    // MARK: End

    /// Ends the client and waits until it is gone. Calls that wait end with -9, streams end. May be called again, from anywhere.
    public func close() async {
        session.close(handle)
        await session.join()
    }

    /// Keeps the client while the call waits: it would be closed if its last user were this call.
    @discardableResult
    private func call(_ start: (TimResultFn, UnsafeMutableRawPointer) throws -> Int32) async throws -> Outcome {
        defer { withExtendedLifetime(self) {} }
        return try await Call.run(start)
    }
}
