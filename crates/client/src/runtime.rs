//! What all clients of a process share: the runtime's thread, and the callback thread of `"shared"` delivery. Each is
//! started for its first user and stopped with its last; whoever ended the last user waits for the thread's true end.
//!
//! `fork` copies the memory of a process but only one of its threads. A lock that another thread held stays locked in
//! the child for ever, so the child must not touch what it inherited: [`after_fork_in_child`] moves it on to a fresh
//! [`Process`], and clients made before answer `FORKED`.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak, mpsc};
use std::thread::JoinHandle;

#[cfg(feature = "tls")]
use rustls::client::danger::ServerCertVerifier;
#[cfg(feature = "tls")]
use rustls_platform_verifier::Verifier;

use tokio::runtime::{Builder, Handle};
use tokio::sync::Notify;

use crate::caller::CallerCpu;
use crate::delivery::shared::SharedThread;
use crate::delivery::thread_mark;
use crate::resolver::Resolver;
use crate::visible::lock;

/// Forks within forks, each with clients of its own, before the innermost may have none: nobody comes near, and a fixed
/// number needs neither allocation nor `unsafe`.
const FORK_DEPTH_MAX: usize = 64;

static PROCESSES: [Mutex<Process>; FORK_DEPTH_MAX] = [const { Mutex::new(Process::new()) }; FORK_DEPTH_MAX];
static DEPTH: AtomicUsize = AtomicUsize::new(0);

/// What the clients of one process share.
pub(crate) struct Process {
    pub(crate) runtime: Usage<Runtime>,
    pub(crate) callbacks: Usage<SharedThread>,
    /// Gone with the last client and the last look-up.
    resolver: Weak<Resolver>,
    /// Gone with the last client that uses it.
    #[cfg(feature = "tls")]
    system_verifier: Weak<Verifier>,
}

impl Process {
    const fn new() -> Process {
        Process {
            runtime: Usage(None),
            callbacks: Usage(None),
            resolver: Weak::new(),
            #[cfg(feature = "tls")]
            system_verifier: Weak::new(),
        }
    }
}

/// To be called in the child of a `fork`, before anything else of this crate: from then on clients made before answer
/// `FORKED`, and new ones start fresh, touching nothing inherited. Async-signal-safe: one atomic addition.
pub fn after_fork_in_child() {
    DEPTH.fetch_add(1, Ordering::AcqRel);
}

/// How many forks deep this process is.
pub(crate) fn fork_depth() -> usize {
    DEPTH.load(Ordering::Acquire)
}

/// Who looks names up for all clients.
pub(crate) fn resolver() -> Arc<Resolver> {
    let Some(process) = PROCESSES.get(fork_depth()) else {
        // A client cannot be had here: see `Lease::take`.
        return Arc::new(Resolver::system());
    };
    let mut process = lock(process);
    process.resolver.upgrade().unwrap_or_else(|| {
        let resolver = Arc::new(Resolver::system());
        process.resolver = Arc::downgrade(&resolver);
        resolver
    })
}

/// Who decides on certificates as the system does, if a client has asked for it: its hundred and more authorities are in
/// memory once.
#[cfg(feature = "tls")]
pub(crate) fn system_verifier() -> Option<Arc<dyn ServerCertVerifier>> {
    let process = lock(PROCESSES.get(fork_depth())?);
    let verifier: Arc<dyn ServerCertVerifier> = process.system_verifier.upgrade()?;
    Some(verifier)
}

/// Has other clients find it.
#[cfg(feature = "tls")]
pub(crate) fn share_system_verifier(verifier: &Arc<Verifier>) {
    if let Some(process) = PROCESSES.get(fork_depth()) {
        lock(process).system_verifier = Arc::downgrade(verifier);
    }
}

/// A part that users share, and how many there are.
pub(crate) struct Usage<T>(Option<(Arc<T>, usize)>);

/// Something shared, started for its first user and stopped with its last.
pub(crate) trait SharedPart: Sized {
    /// Its place in the process.
    fn usage(process: &mut Process) -> &mut Usage<Self>;
    /// Asks its thread to end. Does not wait.
    fn stop(&self);
    /// Waits for the end of its thread, which was asked to.
    fn join(&self);
}

/// The right to use a shared part. The last one to be dropped stops it.
pub(crate) struct Lease<T: SharedPart> {
    part: Arc<T>,
    depth: usize,
}

impl<T: SharedPart> Lease<T> {
    /// A lease of the part, which `start` makes if nobody has one.
    pub(crate) fn take(start: impl FnOnce() -> io::Result<T>) -> io::Result<Lease<T>> {
        let depth = fork_depth();
        let process = PROCESSES
            .get(depth)
            .ok_or_else(|| io::Error::other("too many forks within forks"))?;
        let mut process = lock(process);
        let usage = T::usage(&mut process);
        let part = match &mut usage.0 {
            Some((part, users)) => {
                *users += 1;
                Arc::clone(part)
            }
            None => {
                let part = Arc::new(start()?);
                usage.0 = Some((Arc::clone(&part), 1));
                part
            }
        };
        Ok(Lease { part, depth })
    }

    pub(crate) fn part(&self) -> &Arc<T> {
        &self.part
    }
}

impl<T: SharedPart> Drop for Lease<T> {
    fn drop(&mut self) {
        if self.depth != fork_depth() {
            return;
        }
        let Some(process) = PROCESSES.get(self.depth) else {
            return;
        };
        let mut process = lock(process);
        let usage = T::usage(&mut process);
        match &mut usage.0 {
            Some((_, users)) if *users > 1 => *users -= 1,
            _ => {
                usage.0 = None;
                self.part.stop();
            }
        }
    }
}

/// Waits for the thread of `part` if its last user is gone.
pub(crate) fn join_if_unused<T: SharedPart>(part: &Arc<T>) {
    let in_use = PROCESSES.get(fork_depth()).is_some_and(|process| {
        let mut process = lock(process);
        matches!(&T::usage(&mut process).0, Some((current, _)) if Arc::ptr_eq(current, part))
    });
    if !in_use {
        part.join();
    }
}

/// The runtime's thread.
pub(crate) struct Runtime {
    handle: Handle,
    stop: Arc<Notify>,
    thread: Mutex<Option<JoinHandle<()>>>,
    mark: Arc<AtomicUsize>,
    caller: Arc<CallerCpu>,
}

impl Runtime {
    /// Builds the runtime on its own thread, so that nothing of it is left with the caller's.
    pub(crate) fn start() -> io::Result<Runtime> {
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let mark = Arc::new(AtomicUsize::new(0));
        let mark_there = Arc::clone(&mark);
        let caller = Arc::new(CallerCpu::default());
        let caller_there = Arc::clone(&caller);
        let (built, handle) = mpsc::sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("tim-runtime".into())
            .spawn(move || {
                mark_there.store(thread_mark(), Ordering::Release);
                run(&built, &stopped, caller_there);
                mark_there.store(0, Ordering::Release);
            })?;
        let handle = handle
            .recv()
            .unwrap_or_else(|_| Err(io::Error::other("the runtime's thread ended at once")));
        match handle {
            Ok(handle) => Ok(Runtime {
                handle,
                stop,
                thread: Mutex::new(Some(thread)),
                mark,
                caller,
            }),
            Err(error) => {
                // It has nothing left to do but end; its panic would be the error above.
                drop(thread.join());
                Err(error)
            }
        }
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Where whoever is about to wake the runtime says so.
    pub(crate) fn caller(&self) -> &CallerCpu {
        &self.caller
    }

    /// Whether the calling thread is the runtime's.
    pub(crate) fn runs_here(&self) -> bool {
        self.mark.load(Ordering::Acquire) == thread_mark()
    }
}

/// The runtime's life, from building to dropping it.
fn run(built: &mpsc::SyncSender<io::Result<Handle>>, stopped: &Notify, caller: Arc<CallerCpu>) {
    let mut builder = Builder::new_current_thread();
    builder.enable_io().enable_time();
    builder.on_thread_unpark(move || caller.let_caller_go_on());
    // There is room for the one answer, and whoever asked waits for it.
    match builder.build() {
        Ok(runtime) => {
            let _ = built.send(Ok(runtime.handle().clone()));
            runtime.block_on(stopped.notified());
            // Here, outside of any task: the one place where dropping it is simple.
            drop(runtime);
        }
        Err(error) => drop(built.send(Err(error))),
    }
}

impl SharedPart for Runtime {
    fn usage(process: &mut Process) -> &mut Usage<Runtime> {
        &mut process.runtime
    }

    fn stop(&self) {
        self.stop.notify_one();
    }

    fn join(&self) {
        // Under the lock, so that a second caller comes back no sooner.
        if let Some(thread) = lock(&self.thread).take() {
            drop(thread.join());
        }
    }
}
