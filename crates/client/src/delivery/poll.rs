//! Delivery inside `poll`, on the application's thread, which a descriptor or a callback wakes.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use presence_protocol::errors::code;
use tokio::sync::Notify;

use super::consumer::{Consumer, Ran};
use super::{Outlet, WakeFn, Waker, thread_mark};
use crate::api::CallError;
use crate::visible::lock;

/// A descriptor that is readable while the queue is not empty. Made when first asked for.
#[derive(Default)]
pub(crate) struct WakeFd {
    pipe: Option<(PipeReader, PipeWriter)>,
    /// A byte is in the pipe: never more than one, so neither end ever blocks.
    readable: bool,
}

impl WakeFd {
    pub(super) fn set(&mut self, readable: bool) {
        let Some((reader, writer)) = &mut self.pipe else {
            return;
        };
        if readable == self.readable {
            return;
        }
        let done = if readable {
            writer.write_all(&[1])
        } else {
            reader.read_exact(&mut [0])
        };
        if done.is_ok() {
            self.readable = readable;
        }
    }

    #[cfg(unix)]
    fn number(&mut self) -> io::Result<i32> {
        use std::os::fd::AsRawFd;
        let pipe = match self.pipe.take() {
            Some(pipe) => pipe,
            None => io::pipe()?,
        };
        Ok(self.pipe.insert(pipe).0.as_raw_fd())
    }
}

/// A poll delivery.
pub(crate) fn outlet(bell: Arc<Notify>) -> Arc<Outlet> {
    let outlet = Outlet::new(
        Waker::Poll {
            fd: Mutex::default(),
            callback: Mutex::new(None),
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
                    outlet.end(consumer);
                    return Err(closed());
                }
            },
            None if handled > 0 || !wait(outlet, deadline) => break,
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
    // For a poll that waits; a full channel means that it will look anyway.
    let _ = outlet.token.try_send(());
    let Some(mut consumer) = claim(outlet, deadline) else {
        outlet.stop_poll.store(false, Ordering::Release);
        return outlet.is_ended();
    };
    outlet.runner.store(thread_mark(), Ordering::Release);
    loop {
        match outlet.pop() {
            Some(popped) => {
                if outlet.run(&mut consumer, popped) == Ran::Ended {
                    outlet.end(consumer);
                    return true;
                }
            }
            None if wait(outlet, deadline) => {}
            None => {
                outlet.stop_poll.store(false, Ordering::Release);
                outlet.runner.store(0, Ordering::Release);
                outlet.put_consumer(consumer);
                return false;
            }
        }
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
        station = outlet.wait(station, deadline)?;
    }
}

/// Waits for a token; false if `deadline` came first.
fn wait(outlet: &Outlet, deadline: Option<Instant>) -> bool {
    match deadline {
        Some(deadline) => outlet.tokens.recv_deadline(deadline).is_ok(),
        None => outlet.tokens.recv().is_ok(),
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
    let Waker::Poll { callback: place, .. } = &outlet.waker else {
        return None;
    };
    let callback = callback.map(Arc::new);
    let old = std::mem::replace(&mut *lock(place), callback.clone());
    if let Some(callback) = callback.filter(|_| !outlet.is_empty()) {
        callback();
    }
    old
}

fn only_for_poll(what: &str) -> CallError {
    CallError::new(
        code::UNSUPPORTED,
        format!("{what} needs the option \"delivery\":\"poll\""),
    )
}
