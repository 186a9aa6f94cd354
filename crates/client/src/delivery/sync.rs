//! What the delivery's threads meet at. The standard library's and crossbeam's, or, with `--cfg tim_loom`, loom's, which
//! tries every order in which they can meet (`delivery/model.rs`, `make loom`).

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

pub(crate) use channels::{Receiver, Sender, Token, unbounded};

/// Takes a lock whose holder may have panicked: everything guarded in this crate is whole at every step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
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

#[cfg(not(tim_loom))]
mod channels {
    use std::time::Instant;

    use crossbeam_channel::bounded;
    pub(crate) use crossbeam_channel::{Receiver, Sender, unbounded};

    /// For a consumer that waits: there at most once, so that giving it never blocks.
    pub(crate) struct Token {
        sender: Sender<()>,
        receiver: Receiver<()>,
    }

    impl Token {
        pub(crate) fn new() -> Token {
            let (sender, receiver) = bounded(1);
            Token { sender, receiver }
        }

        pub(crate) fn give(&self) {
            // A full channel means that a token waits already.
            let _ = self.sender.try_send(());
        }

        /// Waits for it; false if `deadline` came first (`None`: it never does).
        pub(crate) fn take(&self, deadline: Option<Instant>) -> bool {
            match deadline {
                Some(deadline) => self.receiver.recv_deadline(deadline).is_ok(),
                None => self.receiver.recv().is_ok(),
            }
        }
    }
}

/// Stand-ins for crossbeam's channels, which loom cannot look into.
#[cfg(tim_loom)]
mod channels {
    use std::collections::VecDeque;
    use std::sync::Arc;
    use std::time::Instant;

    use super::{Condvar, Mutex, lock};

    pub(crate) struct Token(Sender<()>, Receiver<()>);

    impl Token {
        pub(crate) fn new() -> Token {
            let (sender, receiver) = unbounded();
            Token(sender, receiver)
        }

        pub(crate) fn give(&self) {
            let mut waiting = lock(&self.0.0.waiting);
            if let Some(waiting) = &mut *waiting
                && waiting.is_empty()
            {
                waiting.push_back(());
                self.0.0.added.notify_one();
            }
        }

        /// Time does not pass in a model: whoever waits with a deadline waits for ever.
        pub(crate) fn take(&self, _deadline: Option<Instant>) -> bool {
            self.1.recv().is_ok()
        }
    }

    struct Channel<T> {
        /// `None`: the receiver is gone.
        waiting: Mutex<Option<VecDeque<T>>>,
        added: Condvar,
    }

    pub(crate) struct Sender<T>(Arc<Channel<T>>);
    pub(crate) struct Receiver<T>(Arc<Channel<T>>);

    pub(crate) fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
        let channel = Arc::new(Channel {
            waiting: Mutex::new(Some(VecDeque::new())),
            added: Condvar::new(),
        });
        (Sender(Arc::clone(&channel)), Receiver(channel))
    }

    impl<T> Sender<T> {
        pub(crate) fn send(&self, value: T) -> Result<(), T> {
            match &mut *lock(&self.0.waiting) {
                Some(waiting) => waiting.push_back(value),
                None => return Err(value),
            }
            self.0.added.notify_one();
            Ok(())
        }
    }

    impl<T> Receiver<T> {
        pub(crate) fn recv(&self) -> Result<T, ()> {
            let mut waiting = lock(&self.0.waiting);
            loop {
                if let Some(value) = waiting.as_mut().and_then(VecDeque::pop_front) {
                    return Ok(value);
                }
                waiting = self
                    .0
                    .added
                    .wait(waiting)
                    .unwrap_or_else(std::sync::PoisonError::into_inner);
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
}
