//! Delivery on a thread of the client.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::Notify;

use super::consumer::{Consumer, Ran};
use super::sync::{Mutex, lock, thread_mark};
use super::{CALLBACK_STACK_BYTES, Outlet, Waker};

/// The callback thread of one client.
pub(crate) struct CallbackThread {
    handle: Mutex<Option<JoinHandle<()>>>,
}

impl CallbackThread {
    /// Starts the thread; it ends after the last item.
    pub(crate) fn start(bell: Arc<Notify>) -> io::Result<(Arc<Outlet>, CallbackThread)> {
        let outlet = Arc::new(Outlet::new(Waker::Thread, bell));
        let on_thread = Arc::clone(&outlet);
        let handle = std::thread::Builder::new()
            .name("tim-callbacks".into())
            .stack_size(CALLBACK_STACK_BYTES)
            .spawn(move || run(&on_thread))?;
        Ok((
            outlet,
            CallbackThread {
                handle: Mutex::new(Some(handle)),
            },
        ))
    }

    /// Waits until everything was delivered and the thread is gone; false if `deadline` came first.
    pub(crate) fn join(&self, outlet: &Outlet, deadline: Option<Instant>) -> bool {
        if !outlet.await_end(deadline) {
            return false;
        }
        // Under the lock, so that a second caller comes back no sooner. The thread has nothing left to do but end.
        if let Some(handle) = lock(&self.handle).take() {
            // Its panics were contained where they happened.
            drop(handle.join());
        }
        true
    }
}

pub(super) fn run(outlet: &Outlet) {
    outlet.runner.store(thread_mark(), Ordering::Release);
    let mut consumer = Consumer::default();
    loop {
        if let Some(popped) = outlet.pop() {
            if outlet.run(&mut consumer, popped) == Ran::Ended {
                break;
            }
        } else if !outlet.token.take(None) {
            break;
        }
    }
    outlet.end(consumer);
}
