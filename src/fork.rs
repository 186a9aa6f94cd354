//! What the library keeps for the whole process, and what becomes of it in a forked child.
//!
//! A child of `fork()` has one thread and copies of locks that the others may have held. So it never touches what it
//! inherited: the handler below, which runs in the child before anything else, only forgets. New tables begin above the
//! slots of the inherited ones, which is how a handle made before the fork is told (TIM_ERR_FORKED).

use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};
use std::time::Duration;

use presence_client::Client;
use presence_protocol::errors::code;

use crate::guard::Refusal;
use crate::handles::{HandleError, Table};
use crate::server::ServerEntry;

/// Kinds of handles, in their top 8 bits.
const KIND_CLIENT: u8 = 1;
const KIND_SERVER: u8 = 2;

/// Everything that lives as long as the process.
pub struct Globals {
    clients: Table<Arc<ClientEntry>>,
    servers: Table<Arc<ServerEntry>>,
}

/// What a client's handle stands for.
pub struct ClientEntry {
    client: Client,
    failed: AtomicBool,
}

impl ClientEntry {
    /// The client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// A panic was caught in a call of this client: from now on only destroy and poll work.
    pub fn fail(&self) {
        self.failed.store(true, Ordering::Release);
    }

    /// Refuses if the client is FAILED or closing.
    pub fn usable(&self) -> Result<(), Refusal> {
        if self.client.is_closing() {
            return Err(Refusal::new(code::CLOSED, "the client is closing"));
        }
        if self.failed.load(Ordering::Acquire) || self.client.has_failed() {
            return Err(Refusal::new(
                code::FAILED,
                "the client failed by an internal error; destroy it",
            ));
        }
        Ok(())
    }
}

impl Globals {
    const fn new(client_slots_inherited: u32, server_slots_inherited: u32) -> Globals {
        Globals {
            clients: Table::new(KIND_CLIENT, client_slots_inherited),
            servers: Table::new(KIND_SERVER, server_slots_inherited),
        }
    }

    /// A handle for a new client.
    pub fn add_client(&self, client: Client) -> Result<u64, Refusal> {
        let entry = Arc::new(ClientEntry {
            client,
            failed: AtomicBool::new(false),
        });
        self.clients.insert(entry).map_err(|refused| {
            // It ends in the background; that nobody can be told when is why this has no `closed`.
            let _ = refused.client.destroy_async(Box::new(|| ()));
            Refusal::new(
                code::NO_MEMORY,
                "there are no more client handles in this process",
            )
        })
    }

    /// The client of a handle.
    pub fn client(&self, handle: u64) -> Result<Arc<ClientEntry>, Refusal> {
        self.clients.get(handle).map_err(|error| refuse(error, "client"))
    }

    /// The handle is no longer valid. Another thread may have been faster.
    pub fn remove_client(&self, handle: u64) {
        drop(self.clients.remove(handle));
    }

    /// A handle for a new server.
    pub fn add_server(&self, server: ServerEntry) -> Result<u64, Refusal> {
        self.servers.insert(Arc::new(server)).map_err(|refused| {
            // It ends in the background: there is nobody to wait for it.
            let _ = refused.stop(Duration::ZERO);
            Refusal::new(
                code::NO_MEMORY,
                "there are no more server handles in this process",
            )
        })
    }

    /// The server of a handle.
    pub fn server(&self, handle: u64) -> Result<Arc<ServerEntry>, Refusal> {
        self.servers.get(handle).map_err(|error| refuse(error, "server"))
    }

    /// As [`Globals::server`], and the handle is no longer valid.
    pub fn remove_server(&self, handle: u64) -> Result<Arc<ServerEntry>, Refusal> {
        self.servers
            .remove(handle)
            .map_err(|error| refuse(error, "server"))
    }
}

fn refuse(error: HandleError, argument: &str) -> Refusal {
    match error {
        HandleError::Invalid => {
            Refusal::new(code::INVALID_HANDLE, format!("{argument} is not a live handle"))
        }
        HandleError::Forked => Refusal::new(
            code::FORKED,
            format!("{argument} was made before fork(); create a new one in the child"),
        ),
    }
}

/// The globals of a process that was not forked: in static memory, so that nothing is left on the heap at exit.
static FIRST: Globals = Globals::new(0, 0);
/// Those in use; null in a forked child until it needs some.
static CURRENT: AtomicPtr<Globals> = AtomicPtr::new((&raw const FIRST).cast_mut());
/// Slots that handles made before the last fork may name.
static CLIENT_SLOTS_INHERITED: AtomicU32 = AtomicU32::new(0);
static SERVER_SLOTS_INHERITED: AtomicU32 = AtomicU32::new(0);

/// The globals of this process.
pub fn globals() -> &'static Globals {
    let mut current = CURRENT.load(Ordering::Acquire);
    if current.is_null() {
        let fresh = Box::into_raw(Box::new(Globals::new(
            CLIENT_SLOTS_INHERITED.load(Ordering::Relaxed),
            SERVER_SLOTS_INHERITED.load(Ordering::Relaxed),
        )));
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

/// From now on a fork is noticed. Called before the first handle is made.
pub fn watch() -> Result<(), Refusal> {
    static WATCHED: AtomicBool = AtomicBool::new(false);
    if WATCHED.load(Ordering::Acquire) {
        return Ok(());
    }
    // Two threads may both register: running the handler twice does no harm, while a `Once` could be inherited locked.
    // SAFETY: `forget_inherited` is async-signal-safe and, the library being linked nodelete, never unloaded.
    if unsafe { libc::pthread_atfork(None, None, Some(forget_inherited)) } != 0 {
        return Err(Refusal::new(
            code::NO_MEMORY,
            "the system refused to register a fork handler",
        ));
    }
    WATCHED.store(true, Ordering::Release);
    Ok(())
}

/// Runs in the child, on its only thread, inside `fork()`: atomics only, no lock, no allocation.
unsafe extern "C" fn forget_inherited() {
    let inherited = CURRENT.swap(ptr::null_mut(), Ordering::AcqRel);
    if !inherited.is_null() {
        // SAFETY: as in `globals`; only atomics of it are read.
        let inherited = unsafe { &*inherited };
        CLIENT_SLOTS_INHERITED.store(inherited.clients.slots_end(), Ordering::Relaxed);
        SERVER_SLOTS_INHERITED.store(inherited.servers.slots_end(), Ordering::Relaxed);
    }
    presence_client::after_fork_in_child();
}
