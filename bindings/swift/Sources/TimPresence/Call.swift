import CTimPresence
import Foundation

/// How a call ended.
struct Outcome: Sendable {
    let users: [UserStatus]
    let evicted: [String]
}

/// A call that waits for its result, or for the cancellation of its task, whichever comes first. `@unchecked`: guarded by `lock`.
final class Call: @unchecked Sendable {
    private let lock = NSLock()
    private var waiter: CheckedContinuation<Outcome, any Error>?
    private var ended: Result<Outcome, any Error>?

    /// Makes a call and waits for its result. `start` hands the library `done` and the user data, and answers what that answered.
    static func run(_ start: (_ done: TimResultFn, _ userData: UnsafeMutableRawPointer) throws -> Int32) async throws -> Outcome {
        try Task.checkCancellation()
        let call = Call()
        let reference = Unmanaged.passRetained(call)
        // If it was accepted, `done` takes the reference; otherwise nobody does.
        let code: Int32
        do {
            code = try start(done, reference.toOpaque())
        } catch {
            reference.release()
            throw error
        }
        if code != TIM_OK {
            // Before anything else is called on this thread: the text is the thread's.
            let error = PresenceError(refused: code)
            reference.release()
            throw error
        }
        return try await call.result()
    }

    private func result() async throws -> Outcome {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Outcome, any Error>) in
                let already = lock.withLock {
                    if ended == nil { waiter = continuation }
                    return ended
                }
                if let already { continuation.resume(with: already) }
            }
        } onCancel: {
            end(.failure(CancellationError()))
        }
    }

    /// The first end counts.
    fileprivate func end(_ result: Result<Outcome, any Error>) {
        let continuation = lock.withLock { () -> CheckedContinuation<Outcome, any Error>? in
            if ended != nil { return nil }
            ended = result
            defer { waiter = nil }
            return waiter
        }
        continuation?.resume(with: result)
    }
}

private let done: TimResultFn = { result, userData in
    guard let userData else { return }
    let call = Unmanaged<Call>.fromOpaque(userData).takeRetainedValue()
    guard let result = result?.pointee else { return }
    if result.code == TIM_OK {
        call.end(.success(Outcome(users: users(result.items, result.item_count), evicted: texts(result.evicted, result.evicted_count))))
    } else {
        let message = result.message.map { String(cString: $0) } ?? ""
        call.end(.failure(PresenceError(code: result.code, message: message, retryAfterMilliseconds: result.retry_after_ms)))
    }
}
