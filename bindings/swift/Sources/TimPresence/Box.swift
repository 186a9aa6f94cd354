import Foundation

/// How what happened waits to be taken.
protocol Store: Sendable {
    associatedtype Value: Sendable

    mutating func put(_ value: Value)

    /// What waits now; nil if nothing does.
    mutating func take() -> Value?
}

/// Keeps the newest values, `capacity` of them.
struct Newest<Value: Sendable>: Store {
    let capacity: Int
    private var values: [Value] = []

    init(capacity: Int) {
        self.capacity = capacity
    }

    mutating func put(_ value: Value) {
        if values.count == capacity { values.removeFirst() }
        values.append(value)
    }

    mutating func take() -> Value? {
        values.isEmpty ? nil : values.removeFirst()
    }
}

/// Keeps one status of each user, the newest, in the order in which they came (R6.3).
struct NewestOfEachUser: Store {
    /// A user can watch 200 subscriptions, 3 000 friends and itself. Past this, somebody subscribes to ever new users and does not
    /// look: those who are dropped, the oldest, are no longer subscribed to.
    static let usersWaitingMax = 4096

    /// With each user its newest status and when that came. Cheap to merge into; put in order when taken.
    private var waiting: [String: (order: UInt64, status: UserStatus)] = [:]
    private var lastOrder: UInt64 = 0

    mutating func put(_ value: [UserStatus]) {
        for status in value {
            lastOrder += 1
            waiting[status.userID] = (lastOrder, status)
        }
        while waiting.count > Self.usersWaitingMax, let oldest = waiting.min(by: { $0.value.order < $1.value.order }) {
            waiting.removeValue(forKey: oldest.key)
        }
    }

    mutating func take() -> [UserStatus]? {
        if waiting.isEmpty { return nil }
        defer { waiting.removeAll() }
        return waiting.values.sorted { $0.order < $1.order }.map(\.status)
    }
}

/// What waits for one stream. `@unchecked`: everything that changes is guarded by `lock`.
final class Box<Contents: Store>: @unchecked Sendable {
    private let lock = NSLock()
    private var contents: Contents
    private var ended = false
    /// Those who wait for something to take, by the number of their wait.
    private var waiters: [UInt64: CheckedContinuation<Contents.Value?, Never>] = [:]
    private var lastWait: UInt64 = 0

    init(_ contents: Contents) {
        self.contents = contents
    }

    func put(_ value: Contents.Value) {
        let (waiter, taken) = lock.withLock { () -> (CheckedContinuation<Contents.Value?, Never>?, Contents.Value?) in
            contents.put(value)
            guard let wait = waiters.keys.min(), let waiter = waiters.removeValue(forKey: wait) else { return (nil, nil) }
            return (waiter, contents.take())
        }
        waiter?.resume(returning: taken)
    }

    /// Whoever waits or comes later takes what is there, and then nil.
    func end() {
        let all = lock.withLock {
            ended = true
            defer { waiters.removeAll() }
            return Array(waiters.values)
        }
        for waiter in all { waiter.resume(returning: nil) }
    }

    /// What is there now.
    func take() -> Contents.Value? {
        lock.withLock { contents.take() }
    }

    /// Waits for something to take; nil at the end, and when the task is cancelled.
    func next() async -> Contents.Value? {
        let wait = lock.withLock {
            lastWait += 1
            return lastWait
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { (waiter: CheckedContinuation<Contents.Value?, Never>) in
                let (now, value) = lock.withLock { () -> (Bool, Contents.Value?) in
                    // A cancellation that comes later finds the waiter, for it needs the lock.
                    if Task.isCancelled { return (true, nil) }
                    if let value = contents.take() { return (true, value) }
                    if ended { return (true, nil) }
                    waiters[wait] = waiter
                    return (false, nil)
                }
                if now { waiter.resume(returning: value) }
            }
        } onCancel: {
            let waiter = lock.withLock { waiters.removeValue(forKey: wait) }
            waiter?.resume(returning: nil)
        }
    }
}

extension Box {
    /// What is put into the box, for as long as somebody has the stream, which keeps `owner`.
    func stream(of owner: AnyObject & Sendable) -> AsyncStream<Contents.Value> {
        AsyncStream { () -> Contents.Value? in
            defer { withExtendedLifetime(owner) {} }
            return await self.next()
        }
    }
}

/// One kind of event, and its streams. What comes before there is a stream is kept for the first; after that each has its own box from
/// when it was made, for as long as it is there. Everything is bounded, publishing never waits. `@unchecked`: guarded by `lock`.
final class Topic<Contents: Store>: @unchecked Sendable {
    private struct Weak {
        weak var box: Box<Contents>?
    }

    private let lock = NSLock()
    private let makeBox: @Sendable () -> Box<Contents>
    private var unclaimed: Box<Contents>?
    private var claimed: [Weak] = []
    private var ended = false

    init(_ makeContents: @escaping @Sendable () -> Contents) {
        makeBox = { Box(makeContents()) }
        unclaimed = makeBox()
    }

    private func boxes() -> [Box<Contents>] {
        lock.withLock {
            claimed.removeAll { $0.box == nil }
            return claimed.compactMap(\.box) + [unclaimed].compactMap { $0 }
        }
    }

    func publish(_ value: Contents.Value) {
        for box in boxes() { box.put(value) }
    }

    /// A box of one's own, or the one with everything so far.
    func open() -> Box<Contents> {
        lock.withLock {
            let box = unclaimed ?? makeBox()
            unclaimed = nil
            claimed.append(Weak(box: box))
            if ended { box.end() }
            return box
        }
    }

    /// A stream that keeps `owner` for as long as it is there.
    func stream(of owner: AnyObject & Sendable) -> AsyncStream<Contents.Value> {
        open().stream(of: owner)
    }

    /// After this, streams give what waits for them, and end.
    func end() {
        lock.withLock { ended = true }
        for box in boxes() { box.end() }
    }
}
