//! What a node tells the app's backend of its devices (R10.1): to whoever was given with the configuration.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use presence::ids::{ConnectionId, Platform, UserKey};
use presence::time::Wall;

use crate::engine::Happening;
use crate::event_loop::Loop;
use crate::slab::Id;
use crate::transport::Transport;

/// Something that a device did or that became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceEvent {
    /// Whose device.
    pub user: UserKey,
    /// The device's.
    pub platform: Platform,
    /// Where it was connected from. `None` where that is not known any more: its grace ended.
    pub client: Option<IpAddr>,
    /// When.
    pub at: Wall,
    /// What.
    pub what: Happening,
}

/// Hears of device events. Called from the loops' threads, in the order of each user's events, on the way of logins and
/// notifications: it must not wait for anything.
pub trait Backend: Send + Sync {
    /// Whether anybody wants to hear now. Asked before each event and each end of a connection.
    fn listens(&self) -> bool;

    /// One event.
    fn tell(&self, event: DeviceEvent);
}

/// A [`Backend`] in a configuration.
#[derive(Clone)]
pub struct BackendHandle(pub Arc<dyn Backend>);

impl fmt::Debug for BackendHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BackendHandle")
    }
}

impl<T: Transport> Loop<T> {
    /// R10.1.
    pub(crate) fn tell_backend(
        &mut self,
        user: UserKey,
        platform: Platform,
        connection: Option<ConnectionId>,
        what: Happening,
    ) {
        let Some(BackendHandle(backend)) = &self.config.backend else {
            return;
        };
        if !backend.listens() {
            return;
        }
        let client = connection.and_then(|connection| {
            let open = self.connections.get(Id::from_bits(connection.0));
            open.map(|open| open.peer.ip())
                .or_else(|| self.departed.get(&connection.0).copied())
        });
        backend.tell(DeviceEvent {
            user,
            platform,
            client,
            at: self.now.wall,
            what,
        });
    }

    /// A connection goes: where it came from is known until the end of the turn, for what its end means.
    pub(crate) fn note_departed(&mut self, id: Id, peer: IpAddr) {
        if let Some(BackendHandle(backend)) = &self.config.backend
            && backend.listens()
        {
            self.departed.insert(id.to_bits(), peer);
        }
    }
}
