//! What the library keeps for the whole process. A child of `fork()` has none of the threads and perhaps locked locks, so
//! it forgets what it inherited and begins as a process that never called TIMInit.

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::callback_thread::{CallbackThread, lock};
use crate::listeners::{Listeners, log_level};
use crate::sdk::Sdk;

/// Everything that lives as long as the process.
pub struct Process {
    /// Who runs callbacks.
    pub thread: CallbackThread,
    /// The application's standing callbacks.
    pub listeners: Listeners,
    /// What was set before TIMInit, or at any time.
    pub settings: Mutex<Settings>,
    /// Between TIMInit and TIMUninit.
    sdk: Mutex<Option<Arc<Sdk>>>,
    next_id: AtomicU64,
}

/// See [`Process::settings`].
pub struct Settings {
    /// From internal_operation_set_custom_server_info, for the next TIMInit.
    pub custom_server: Option<String>,
    /// Nothing is to be kept on disk.
    pub no_storage: bool,
    /// What the log callback wants: a TIMLogLevel.
    pub log_level: i32,
}

impl Process {
    const fn new() -> Process {
        Process {
            thread: CallbackThread::new(),
            listeners: Listeners::new(),
            settings: Mutex::new(Settings {
                custom_server: None,
                no_storage: false,
                log_level: log_level::INFO,
            }),
            sdk: Mutex::new(None),
            next_id: AtomicU64::new(1),
        }
    }

    /// The SDK, if it is initialised.
    pub fn sdk(&self) -> Option<Arc<Sdk>> {
        lock(&self.sdk).clone()
    }

    /// Initialises if that was not done: `make` runs at most once, and nobody else gets in between.
    pub fn init(&self, make: impl FnOnce() -> Option<Arc<Sdk>>) -> bool {
        let mut sdk = lock(&self.sdk);
        if sdk.is_none() {
            *sdk = make();
        }
        sdk.is_some()
    }

    /// From now on it is not.
    pub fn take_sdk(&self) -> Option<Arc<Sdk>> {
        lock(&self.sdk).take()
    }

    /// A number that no other client has.
    pub fn new_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }
}

/// Those of a process that was not forked: in static memory, so that nothing is left on the heap at exit.
static FIRST: Process = Process::new();
/// Those in use; null in a forked child until it needs some.
static CURRENT: AtomicPtr<Process> = AtomicPtr::new((&raw const FIRST).cast_mut());

/// What this process has.
pub fn process() -> &'static Process {
    let mut current = CURRENT.load(Ordering::Acquire);
    if current.is_null() {
        let fresh = Box::into_raw(Box::new(Process::new()));
        current = match CURRENT.compare_exchange(ptr::null_mut(), fresh, Ordering::AcqRel, Ordering::Acquire)
        {
            Ok(_) => fresh,
            Err(winner) => {
                // SAFETY: `fresh` came from `Box::into_raw` above and was not published.
                drop(unsafe { Box::from_raw(fresh) });
                winner
            }
        };
    }
    // SAFETY: it points to `FIRST` or to a leaked box; neither is ever freed or borrowed mutably.
    unsafe { &*current }
}

/// From now on a fork is noticed; false if the system refuses. Called before the first thread is started.
pub fn watch_for_forks() -> bool {
    static WATCHED: AtomicBool = AtomicBool::new(false);
    if WATCHED.load(Ordering::Acquire) {
        return true;
    }
    // Two threads may both register: running the handler twice does no harm.
    // SAFETY: `forget_inherited` is async-signal-safe and, the library being linked nodelete, never unloaded.
    if unsafe { libc::pthread_atfork(None, None, Some(forget_inherited)) } != 0 {
        return false;
    }
    WATCHED.store(true, Ordering::Release);
    true
}

/// Runs in the child, on its only thread, inside `fork()`: atomics only.
unsafe extern "C" fn forget_inherited() {
    CURRENT.store(ptr::null_mut(), Ordering::Release);
    presence_client::after_fork_in_child();
}
