//! What the delivery's threads meet at: the standard library's locks, or, with `--cfg tim_loom`, loom's, which tries every
//! order in which they can meet (`delivery/model.rs`, `make loom`); and what is built on them here, which is the same in both.
//!
//! Not a channel of a crate: a waiting thread that looks around before it sleeps costs system calls (crossbeam's yields four
//! times), the queue that is waited for has a lock of its own already, and loom cannot look into one.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

#[cfg(not(tim_loom))]
pub(crate) use std::sync::{
    Condvar, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicUsize},
};

#[cfg(tim_loom)]
pub(crate) use loom::sync::{
    Condvar, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicUsize},
};

/// Takes a lock whose holder may have panicked: everything guarded in this crate is whole at every step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until `condvar` is notified, or for nothing; `None` if `deadline` came first (`None`: it never does). Under loom
/// time does not pass: there one comes first that is over already, or none.
pub(crate) fn wait<'a, T>(
    condvar: &Condvar,
    guard: MutexGuard<'a, T>,
    deadline: Option<Instant>,
) -> Option<MutexGuard<'a, T>> {
    let Some(deadline) = deadline else {
        return Some(condvar.wait(guard).unwrap_or_else(PoisonError::into_inner));
    };
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return None;
    }
    let waited = condvar.wait_timeout(guard, left);
    Some(waited.unwrap_or_else(PoisonError::into_inner).0)
}

/// For a consumer that waits: there at most once, however often it is given.
pub(crate) struct Token {
    state: Mutex<TokenState>,
    given: Condvar,
}

#[derive(Default)]
struct TokenState {
    is_there: bool,
    /// Who waits: to notify nobody is a system call, too.
    waiting: usize,
}

impl Token {
    pub(crate) fn new() -> Token {
        Token {
            state: Mutex::new(TokenState::default()),
            given: Condvar::new(),
        }
    }

    pub(crate) fn give(&self) {
        let is_awaited = {
            let mut state = lock(&self.state);
            state.is_there = true;
            state.waiting > 0
        };
        // After the lock, which whoever wakes up takes.
        if is_awaited {
            self.given.notify_one();
        }
    }

    /// Waits for it; false if `deadline` came first (`None`: it never does).
    pub(crate) fn take(&self, deadline: Option<Instant>) -> bool {
        let mut state = lock(&self.state);
        while !state.is_there {
            state.waiting += 1;
            let Some(later) = wait(&self.given, state, deadline) else {
                lock(&self.state).waiting -= 1;
                return false;
            };
            state = later;
            state.waiting -= 1;
        }
        state.is_there = false;
        true
    }
}

/// One end of a queue without a bound: whoever sends bounds what it sends.
pub(crate) struct Sender<T>(Arc<Channel<T>>);

/// The other end. When it is dropped, so is what waits.
pub(crate) struct Receiver<T>(Arc<Channel<T>>);

struct Channel<T> {
    /// `None`: the receiver is gone.
    waiting: Mutex<Option<VecDeque<T>>>,
    added: Token,
}

pub(crate) fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    let channel = Arc::new(Channel {
        waiting: Mutex::new(Some(VecDeque::new())),
        added: Token::new(),
    });
    (Sender(Arc::clone(&channel)), Receiver(channel))
}

impl<T> Sender<T> {
    /// Never blocks. The value back if the receiver is gone.
    pub(crate) fn send(&self, value: T) -> Result<(), T> {
        match &mut *lock(&self.0.waiting) {
            Some(waiting) => waiting.push_back(value),
            None => return Err(value),
        }
        self.0.added.give();
        Ok(())
    }
}

impl<T> Receiver<T> {
    /// Waits for the next.
    pub(crate) fn recv(&self) -> T {
        loop {
            let next = lock(&self.0.waiting).as_mut().and_then(VecDeque::pop_front);
            if let Some(value) = next {
                return value;
            }
            self.0.added.take(None);
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let left = lock(&self.0.waiting).take();
        // Outside of the lock: what waits may hold the other end.
        drop(left);
    }
}

/// Tells the calling thread from all others that are alive. Not 0. Has no destructor, so it works while a process exits.
#[cfg(not(tim_loom))]
pub(crate) fn thread_mark() -> usize {
    thread_local! {
        static MARK: u8 = const { 0 };
    }
    MARK.with(|mark| std::ptr::from_ref(mark).addr())
}

#[cfg(tim_loom)]
pub(crate) fn thread_mark() -> usize {
    loom::thread_local! {
        static MARK: u8 = 0;
    }
    MARK.with(|mark| std::ptr::from_ref(mark).addr())
}

#[cfg(all(test, not(tim_loom)))]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_token_is_there_once_however_often_it_was_given() {
        let token = Token::new();
        let over = Some(Instant::now());
        assert!(!token.take(over));
        token.give();
        token.give();
        assert!(token.take(over) && !token.take(over));
        assert_eq!(lock(&token.state).waiting, 0, "who gave up does not wait");
    }

    #[test]
    fn whoever_waits_for_a_token_is_woken() {
        let token = Token::new();
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| token.take(Some(Instant::now() + Duration::from_secs(3_600))));
            token.give();
            assert!(waits.join().expect("it takes it"));
        });
    }

    #[test]
    fn what_was_sent_comes_in_order_and_is_dropped_with_the_receiver() {
        let (sender, receiver) = unbounded();
        let value = Arc::new(());
        sender.send((1, Arc::clone(&value))).expect("there is a receiver");
        sender.send((2, Arc::clone(&value))).expect("there is a receiver");
        assert_eq!(receiver.recv().0, 1);
        assert_eq!(Arc::strong_count(&value), 2);
        drop(receiver);
        assert_eq!(Arc::strong_count(&value), 1);
        assert!(sender.send((3, value)).is_err());
    }
}
