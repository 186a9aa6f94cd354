import CTimPresence
import Foundation

/// What the callbacks of one client need: its streams, and who waits for its end. Each listener that the library has refers to
/// it, so it is there until the last of them was freed. It does not refer to the client, which can go when nobody uses it.
/// `@unchecked`: what changes is guarded by `lock`.
final class Session: @unchecked Sendable {
    let statuses = Topic { NewestOfEachUser() }
    let connection = Topic { Newest<ConnectionChange>(capacity: 64) }
    let kicked = Topic { Newest<Kicked>(capacity: 16) }
    let expired = Topic { Newest<Void>(capacity: 1) }
    let evictions = Topic { Newest<[String]>(capacity: 256) }
    let log = Topic { Newest<LogLine>(capacity: 1024) }

    private enum Life {
        case open
        case closing
        case closed
    }

    /// Of each listener of a new client: five seconds. With an option `queueMax` below five there may be no room for one more until the
    /// library's threads have taken the ones before, which is a matter of microseconds.
    private static let attempts = 500

    private let lock = NSLock()
    private var life = Life.open
    private var waiters: [CheckedContinuation<Void, Never>] = []

    /// Makes a client whose callbacks come to this.
    func create(_ options: String) throws -> TimClient {
        var client: TimClient = 0
        try requireOK(timClientCreate(options, &client))
        do {
            try listen(client, attempts: Self.attempts) { timSetUserStatusChangedCallback(client, onChanged, $0, release) }
            try listen(client, attempts: Self.attempts) { timSetConnectionStateCallback(client, onConnection, $0, release) }
            try listen(client, attempts: Self.attempts) { timSetKickedOfflineCallback(client, onKicked, $0, release) }
            try listen(client, attempts: Self.attempts) { timSetUserSigExpiredCallback(client, onExpired, $0, release) }
            try listen(client, attempts: Self.attempts) { timSetSubscriptionEvictedCallback(client, onEvicted, $0, release) }
        } catch {
            timClientDestroyAsync(client, nil, nil)
            throw error
        }
        return client
    }

    func setLogLevel(_ client: TimClient, _ level: LogLevel?) throws {
        guard let level else { return try requireOK(timSetLogCallback(client, 0, nil, nil, nil)) }
        try listen(client) { timSetLogCallback(client, level.rawValue, onLog, $0, release) }
    }

    /// Hands the library a reference to this, which it gives back to `release`, unless it refuses.
    ///
    /// - Parameter attempts: how often to try, 10 ms apart, while there is no room
    private func listen(_ client: TimClient, attempts: Int = 1, _ set: (UnsafeMutableRawPointer) -> Int32) throws {
        let reference = Unmanaged.passRetained(self)
        var code = set(reference.toOpaque())
        for _ in 1..<attempts where code == TIM_ERR_BUSY {
            Thread.sleep(forTimeInterval: 0.01)
            code = set(reference.toOpaque())
        }
        if code != TIM_OK {
            reference.release()
            throw PresenceError(refused: code)
        }
    }

    /// Starts to end the client; does nothing if that was begun already.
    func close(_ client: TimClient) {
        let first = lock.withLock {
            defer { if life == .open { life = .closing } }
            return life == .open
        }
        if !first { return }
        let reference = Unmanaged.passRetained(self)
        let code = timClientDestroyAsync(client, onClosed, reference.toOpaque())
        if code != TIM_OK {
            // There is no such client any more: a child of fork.
            reference.release()
            closed()
        }
    }

    /// Waits for the end that `close` started.
    func join() async {
        await withCheckedContinuation { waiter in
            let now = lock.withLock {
                if life != .closed { waiters.append(waiter) }
                return life == .closed
            }
            if now { waiter.resume() }
        }
    }

    fileprivate func closed() {
        let all = lock.withLock {
            life = .closed
            defer { waiters.removeAll() }
            return waiters
        }
        statuses.end()
        connection.end()
        kicked.end()
        expired.end()
        evictions.end()
        log.end()
        for waiter in all { waiter.resume() }
    }
}

// The callbacks, on the library's thread. None of them runs anything of the application's: waking a task only hands it to Swift's own threads.

private func session(_ userData: UnsafeMutableRawPointer?) -> Session? {
    userData.map { Unmanaged<Session>.fromOpaque($0).takeUnretainedValue() }
}

private let release: TimFreeFn = { userData in
    if let userData { Unmanaged<Session>.fromOpaque(userData).release() }
}

private let onChanged: TimStatusFn = { changes, count, userData in
    session(userData)?.statuses.publish(users(changes, count))
}

private let onConnection: TimConnectionFn = { state, code, message, userData in
    let state = ConnectionState(rawValue: state) ?? .disconnected
    session(userData)?.connection.publish(ConnectionChange(state: state, code: code, message: message.map { String(cString: $0) } ?? ""))
}

private let onKicked: TimKickedFn = { code, message, userData in
    session(userData)?.kicked.publish(Kicked(code: code, message: message.map { String(cString: $0) } ?? ""))
}

private let onExpired: TimExpiredFn = { userData in
    session(userData)?.expired.publish(())
}

private let onEvicted: TimEvictedFn = { userIDs, count, userData in
    session(userData)?.evictions.publish(texts(userIDs, count))
}

private let onLog: TimLogFn = { level, message, userData in
    session(userData)?.log.publish(LogLine(level: LogLevel(rawValue: level) ?? .error, message: message.map { String(cString: $0) } ?? ""))
}

private let onClosed: TimClosedFn = { userData in
    guard let userData else { return }
    Unmanaged<Session>.fromOpaque(userData).takeRetainedValue().closed()
}
