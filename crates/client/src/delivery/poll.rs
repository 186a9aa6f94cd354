//! Delivery inside `poll`, on the application's thread, which a descriptor or a callback wakes.

#[cfg(unix)]
use std::io::{self, Read, Write};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use presence_protocol::errors::code;
use tokio::sync::Notify;

use super::consumer::{Consumer, Ran};
use super::queue::Item;
use super::sync::{self, Condvar, Mutex, lock, thread_mark};
use super::{Outlet, WakeFn, Waker};
use crate::api::CallError;

/// A descriptor that is readable while the queue is not empty. Made when first asked for.
#[derive(Default)]
pub(crate) struct WakeFd {
    /// The application's end and ours. Neither blocks: an application that takes the byte, though it is told not to, would
    /// else halt the session, and with it every client of the process.
    #[cfg(unix)]
    ends: Option<(UnixStream, UnixStream)>,
    /// A byte is there, unless the application took it: never more than one.
    readable: bool,
}

impl WakeFd {
    #[cfg(unix)]
    pub(super) fn set(&mut self, readable: bool) {
        let Some((theirs, ours)) = &mut self.ends else {
            return;
        };
        if readable == self.readable {
            return;
        }
        let done = if readable {
            ours.write_all(&[1])
        } else {
            theirs.read_exact(&mut [0])
        };
        // There is room for one byte; where there is none to be read, it is as it should be.
        if done.is_ok() || !readable {
            self.readable = readable;
        }
    }

    #[cfg(not(unix))]
    pub(super) fn set(&mut self, readable: bool) {
        self.readable = readable;
    }

    #[cfg(unix)]
    fn number(&mut self) -> io::Result<i32> {
        use std::os::fd::AsRawFd;
        let ends = match self.ends.take() {
            Some(ends) => ends,
            None => {
                let ends = UnixStream::pair()?;
                ends.0.set_nonblocking(true)?;
                ends.1.set_nonblocking(true)?;
                ends
            }
        };
        Ok(self.ends.insert(ends).0.as_raw_fd())
    }
}

/// The application's wake callback, which is called on the thread that fills the queue.
pub(crate) struct Chime {
    state: Mutex<ChimeState>,
    /// Notified when a call returned.
    returned: Condvar,
}

#[derive(Default)]
struct ChimeState {
    callback: Option<Arc<WakeFn>>,
    /// Calls that have not returned.
    ringing: usize,
}

impl Chime {
    fn new() -> Chime {
        Chime {
            state: Mutex::new(ChimeState::default()),
            returned: Condvar::new(),
        }
    }

    /// Calls the callback, if there is one.
    pub(super) fn ring(&self) {
        let ringing;
        let callback = {
            let mut state = lock(&self.state);
            let Some(callback) = state.callback.clone() else {
                return;
            };
            state.ringing += 1;
            ringing = Ringing(self);
            callback
        };
        callback();
        // Before the call counts as returned, which is when somebody may let go of the application's things.
        drop(callback);
        drop(ringing);
    }

    /// Puts `callback` in the place of the one before, which is handed back.
    fn replace(&self, callback: Option<Arc<WakeFn>>) -> Option<Arc<WakeFn>> {
        std::mem::replace(&mut lock(&self.state).callback, callback)
    }

    /// Ends the callback: waits for the call that runs, then drops it, and after that nothing is called. False if
    /// `deadline` came first (`None`: it never does), and then all is as it was.
    fn silence(&self, deadline: Option<Instant>) -> bool {
        let mut state = lock(&self.state);
        while state.ringing > 0 {
            match sync::wait(&self.returned, state, deadline) {
                Some(later) => state = later,
                None => return false,
            }
        }
        let last = state.callback.take();
        drop(state);
        // Outside of the lock: this frees what is the application's.
        drop(last);
        true
    }
}

/// A call of the callback that runs.
struct Ringing<'a>(&'a Chime);

impl Drop for Ringing<'_> {
    fn drop(&mut self) {
        lock(&self.0.state).ringing -= 1;
        self.0.returned.notify_all();
    }
}

/// A poll delivery.
pub(crate) fn outlet(bell: Arc<Notify>) -> Arc<Outlet> {
    let outlet = Outlet::new(
        Waker::Poll {
            fd: Mutex::new(WakeFd::default()),
            chime: Chime::new(),
        },
        bell,
    );
    outlet.put_consumer(Consumer::default());
    Arc::new(outlet)
}

fn closed() -> CallError {
    CallError::new(code::CLOSED, "the client is closed: this was the last poll")
}

/// Runs up to `events_max` callbacks; waits up to `timeout` for the first.
pub(crate) fn poll(outlet: &Outlet, events_max: usize, timeout: Duration) -> Result<usize, CallError> {
    let deadline = Instant::now().checked_add(timeout);
    let mut consumer = {
        let mut station = lock(&outlet.station);
        if station.ended {
            return Err(closed());
        }
        let Some(consumer) = station.consumer.take() else {
            let by = if outlet.stop_poll.load(Ordering::Acquire) {
                "destroy"
            } else {
                "another poll"
            };
            return Err(CallError::new(
                code::BUSY,
                format!("{by} runs the callbacks at this moment"),
            ));
        };
        consumer
    };
    outlet.runner.store(thread_mark(), Ordering::Release);
    let mut handled = 0;
    while handled < events_max {
        if outlet.stop_poll.load(Ordering::Acquire) {
            outlet.runner.store(0, Ordering::Release);
            outlet.put_consumer(consumer);
            return Err(closed());
        }
        match outlet.pop() {
            Some(popped) => match outlet.run(&mut consumer, popped) {
                Ran::Callback | Ran::Panicked => handled += 1,
                Ran::Quietly => {}
                Ran::Ended => {
                    // It may only signal, so there is no deadline; nobody would wake this poll's caller once more.
                    outlet.silence(None);
                    outlet.end(consumer);
                    return Err(closed());
                }
            },
            None if handled > 0 || !outlet.token.take(deadline) => break,
            None => {}
        }
    }
    outlet.runner.store(0, Ordering::Release);
    outlet.put_consumer(consumer);
    Ok(handled)
}

/// Ends a concurrent poll and runs what remains on this thread; false if `deadline` came first, and then polls go on.
pub(crate) fn finish(outlet: &Outlet, deadline: Option<Instant>) -> bool {
    outlet.stop_poll.store(true, Ordering::Release);
    // For a poll that waits.
    outlet.token.give();
    let Some(mut consumer) = claim(outlet, deadline) else {
        outlet.stop_poll.store(false, Ordering::Release);
        return outlet.is_ended();
    };
    outlet.runner.store(thread_mark(), Ordering::Release);
    loop {
        match outlet.pop() {
            Some(popped) => {
                if outlet.run(&mut consumer, popped) != Ran::Ended {
                    // One at least, so that whoever has no time gets there, too, by coming again.
                    if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                        break;
                    }
                    continue;
                }
                if outlet.silence(deadline) {
                    outlet.end(consumer);
                    return true;
                }
                outlet.put_end_back();
                break;
            }
            None if outlet.token.take(deadline) => {}
            None => break,
        }
    }
    outlet.stop_poll.store(false, Ordering::Release);
    outlet.runner.store(0, Ordering::Release);
    outlet.put_consumer(consumer);
    false
}

impl Outlet {
    /// Ends the wake callback: see [`Chime::silence`].
    fn silence(&self, deadline: Option<Instant>) -> bool {
        match &self.waker {
            Waker::Poll { chime, .. } => chime.silence(deadline),
            Waker::Thread | Waker::Shared(_) => true,
        }
    }

    /// Whoever looks next finds the end, which was the last there was.
    fn put_end_back(&self) {
        let mut queue = lock(&self.queue);
        queue.push(Item::End);
        if let Waker::Poll { fd, .. } = &self.waker {
            lock(fd).set(true);
        }
        self.token.give();
    }
}

/// The consumer, once whoever runs it gave it back; `None` if it ended or `deadline` came first.
fn claim(outlet: &Outlet, deadline: Option<Instant>) -> Option<Consumer> {
    let mut station = lock(&outlet.station);
    loop {
        if station.ended {
            return None;
        }
        if let Some(consumer) = station.consumer.take() {
            return Some(consumer);
        }
        station = sync::wait(&outlet.moved, station, deadline)?;
    }
}

/// The descriptor, owned by the client.
pub(crate) fn wake_fd(outlet: &Outlet) -> Result<i32, CallError> {
    let Waker::Poll { fd, .. } = &outlet.waker else {
        return Err(only_for_poll("a wake descriptor"));
    };
    #[cfg(unix)]
    {
        let queue = lock(&outlet.queue);
        let mut fd = lock(fd);
        let number = fd
            .number()
            .map_err(|error| CallError::new(code::NO_MEMORY, format!("no descriptor: {error}")))?;
        fd.set(!queue.is_empty());
        Ok(number)
    }
    #[cfg(not(unix))]
    {
        let _ = fd;
        Err(CallError::new(
            code::UNSUPPORTED,
            "this system has no descriptor to wait for; set a wake callback",
        ))
    }
}

/// Whether this is a poll delivery; else a refusal that names `what`.
pub(crate) fn require(outlet: &Outlet, what: &str) -> Result<(), CallError> {
    match &outlet.waker {
        Waker::Poll { .. } => Ok(()),
        Waker::Thread | Waker::Shared(_) => Err(only_for_poll(what)),
    }
}

/// Puts `callback` in the place of the one before, which is handed back; calls it at once if something waits.
pub(crate) fn set_wake_callback(outlet: &Outlet, callback: Option<WakeFn>) -> Option<Arc<WakeFn>> {
    let Waker::Poll { chime, .. } = &outlet.waker else {
        return None;
    };
    let old = chime.replace(callback.map(Arc::new));
    if old.is_none() {
        // All that was promised is done; else it is once the old one is dropped.
        outlet.visible.kept();
    }
    if !outlet.is_empty() {
        chime.ring();
    }
    old
}

fn only_for_poll(what: &str) -> CallError {
    CallError::new(
        code::UNSUPPORTED,
        format!("{what} needs the option \"delivery\":\"poll\""),
    )
}
