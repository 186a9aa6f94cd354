//! Delivery on one thread for all clients that chose it. Each gets a turn of [`TURN`] callbacks, then the next.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::Notify;

use super::consumer::{Consumer, Ran};
use super::sync::{AtomicBool, AtomicUsize, Mutex, Receiver, Sender, lock, thread_mark, unbounded};
use super::{CALLBACK_STACK_BYTES, Outlet, Waker};
use crate::runtime::{Lease, Process, SharedPart, Usage, join_if_unused};

/// Callbacks of one client before the next client has its turn.
const TURN: usize = 64;

/// The thread.
pub(crate) struct SharedThread {
    /// Clients with something to deliver; `None`: end.
    turns: Sender<Option<Arc<Outlet>>>,
    handle: Mutex<Option<JoinHandle<()>>>,
    mark: Arc<AtomicUsize>,
}

/// One client's way to the thread.
pub(crate) struct Scheduler {
    thread: Arc<SharedThread>,
    /// The client waits for its turn already, so the channel holds at most one entry a client.
    scheduled: AtomicBool,
    /// Keeps the thread; given back when the client ended.
    lease: Mutex<Option<Lease<SharedThread>>>,
}

impl SharedThread {
    fn start() -> io::Result<SharedThread> {
        let (turns, due) = unbounded();
        let mark = Arc::new(AtomicUsize::new(0));
        let mark_there = Arc::clone(&mark);
        let handle = std::thread::Builder::new()
            .name("tim-callbacks".into())
            .stack_size(CALLBACK_STACK_BYTES)
            .spawn(move || {
                mark_there.store(thread_mark(), Ordering::Release);
                take_turns(&due);
                mark_there.store(0, Ordering::Release);
            })?;
        Ok(SharedThread {
            turns,
            handle: Mutex::new(Some(handle)),
            mark,
        })
    }
}

impl SharedPart for SharedThread {
    fn usage(process: &mut Process) -> &mut Usage<SharedThread> {
        &mut process.callbacks
    }

    fn stop(&self) {
        // The thread lives until it is told this, so it hears it.
        let _ = self.turns.send(None);
    }

    fn join(&self) {
        if let Some(handle) = lock(&self.handle).take() {
            drop(handle.join());
        }
    }
}

impl Scheduler {
    pub(super) fn schedule(&self, outlet: &Arc<Outlet>) {
        if !self.scheduled.swap(true, Ordering::AcqRel) {
            // Unbounded, so it never blocks. It fails only after the thread's end, when nothing is left to deliver.
            let _ = self.thread.turns.send(Some(Arc::clone(outlet)));
        }
    }

    pub(super) fn runs_here(&self) -> bool {
        self.thread.mark.load(Ordering::Acquire) == thread_mark()
    }
}

#[cfg(all(test, tim_loom))]
impl SharedThread {
    /// One whose thread the model plays, with [`take_turns`].
    pub(super) fn played() -> (Arc<SharedThread>, Receiver<Option<Arc<Outlet>>>) {
        let (turns, due) = unbounded();
        let thread = SharedThread {
            turns,
            handle: Mutex::new(None),
            mark: Arc::new(AtomicUsize::new(0)),
        };
        (Arc::new(thread), due)
    }

    /// After it [`take_turns`] ends.
    pub(super) fn stop_played(&self) {
        self.stop();
    }

    /// A client of it, which does not keep it.
    pub(super) fn outlet(self: &Arc<Self>, bell: Arc<Notify>) -> Arc<Outlet> {
        let scheduler = Scheduler {
            thread: Arc::clone(self),
            scheduled: AtomicBool::new(false),
            lease: Mutex::new(None),
        };
        let outlet = Arc::new(Outlet::new(Waker::Shared(scheduler), bell));
        outlet.put_consumer(Consumer::default());
        outlet
    }
}

/// Joins the clients of the shared thread, starting it for the first.
pub(crate) fn enter(bell: Arc<Notify>) -> io::Result<(Arc<Outlet>, Arc<SharedThread>)> {
    let lease = Lease::take(SharedThread::start)?;
    let thread = Arc::clone(lease.part());
    let scheduler = Scheduler {
        thread: Arc::clone(&thread),
        scheduled: AtomicBool::new(false),
        lease: Mutex::new(Some(lease)),
    };
    let outlet = Arc::new(Outlet::new(Waker::Shared(scheduler), bell));
    outlet.put_consumer(Consumer::default());
    Ok((outlet, thread))
}

/// Waits until everything of this client was delivered, and for the thread if it was the last; false if `deadline` came
/// first.
pub(crate) fn join(outlet: &Outlet, thread: &Arc<SharedThread>, deadline: Option<Instant>) -> bool {
    let ended = outlet.await_end(deadline);
    if ended {
        join_if_unused(thread);
    }
    ended
}

pub(super) fn take_turns(due: &Receiver<Option<Arc<Outlet>>>) {
    while let Some(outlet) = due.recv() {
        let Waker::Shared(scheduler) = &outlet.waker else {
            continue;
        };
        scheduler.scheduled.store(false, Ordering::Release);
        let Some(mut consumer) = outlet.take_consumer() else {
            continue;
        };
        outlet.runner.store(thread_mark(), Ordering::Release);
        let mut ended = false;
        for _ in 0..TURN {
            let Some(popped) = outlet.pop() else { break };
            if outlet.run(&mut consumer, popped) == Ran::Ended {
                ended = true;
                break;
            }
        }
        if ended {
            let lease = lock(&scheduler.lease).take();
            // Before the end is seen, so that whoever sees it knows whether this thread is ending too.
            drop(lease);
            outlet.end(consumer);
        } else {
            outlet.runner.store(0, Ordering::Release);
            outlet.put_consumer(consumer);
            if !outlet.is_empty() {
                scheduler.schedule(&outlet);
            }
        }
    }
}
