//! Connections on their way between loops: accepted on one, at home on another (see `gateway::login`).

use std::collections::VecDeque;
use std::task::{Context, Poll};

use presence::time::Mono;
use presence_protocol::message::LoginRequest;
use presence_transport::Layered;
use tokio::sync::mpsc;

use super::Loop;
use crate::gateway::connection::{Peer, Phase};
use crate::gateway::login::Route;
use crate::slab::Id;
use crate::transport::Transport;

/// Connections that may wait for one loop. More wait with the loops that accepted them, which then accept no bytes.
const MAILBOX_MAX: usize = 1_024;
/// Connections taken in one tick.
const WELCOME_PER_TURN: usize = 256;

/// A connection with its login, on its way home.
pub(crate) struct Migrant<D> {
    detached: Layered<D>,
    peer: Peer,
    accepted: Mono,
    unsent: Vec<u8>,
    unread: Vec<u8>,
    request_id: u64,
    login: LoginRequest,
}

/// The way to one loop, and those that found no room on it yet.
type Way<D> = (mpsc::Sender<Migrant<D>>, VecDeque<Migrant<D>>);

/// One loop's ends of the ways between the loops.
pub(crate) struct Peers<D> {
    inbox: mpsc::Receiver<Migrant<D>>,
    ways: Vec<Way<D>>,
}

impl<D> Peers<D> {
    /// The ends of `loops` loops.
    pub(crate) fn among(loops: usize) -> Vec<Peers<D>> {
        let (senders, inboxes): (Vec<_>, Vec<_>) = (0..loops).map(|_| mpsc::channel(MAILBOX_MAX)).unzip();
        inboxes
            .into_iter()
            .map(|inbox| Peers {
                inbox,
                ways: senders
                    .iter()
                    .map(|sender| (sender.clone(), VecDeque::new()))
                    .collect(),
            })
            .collect()
    }

    /// Sends what waits. False: some of it found no room.
    pub(crate) fn flush(&mut self) -> bool {
        let mut all_sent = true;
        for (sender, waiting) in &mut self.ways {
            while let Some(migrant) = waiting.pop_front() {
                match sender.try_send(migrant) {
                    Ok(()) => {}
                    Err(mpsc::error::TrySendError::Full(migrant)) => {
                        waiting.push_front(migrant);
                        all_sent = false;
                        break;
                    }
                    // That loop has ended: the node is stopping.
                    Err(mpsc::error::TrySendError::Closed(_)) => {}
                }
            }
        }
        all_sent
    }
}

impl<T: Transport> Loop<T> {
    /// Sends a connection home, with what it has not read and not written.
    pub(crate) fn move_away(&mut self, id: Id, route: Route, unread: &[u8]) {
        let Some(connection) = self.connections.remove(id) else {
            return;
        };
        let connection = *connection;
        let detached = match connection.transport.try_map(T::detach) {
            Ok(detached) => detached,
            Err(error) => {
                tracing::warn!(peer = %connection.peer, %error, "a connection could not be moved to its loop");
                self.limits.close_one(connection.peer.ip());
                return;
            }
        };
        let migrant = Migrant {
            detached,
            peer: connection.peer,
            accepted: connection.heard,
            unsent: connection.outbox.into_bytes(),
            unread: unread.to_vec(),
            request_id: route.request_id,
            login: route.login,
        };
        if let Some((_, waiting)) = self.peers.ways.get_mut(route.home) {
            waiting.push_back(migrant);
        }
    }

    /// Takes in the connections that come home.
    pub(super) fn welcome(&mut self, cx: &mut Context<'_>) {
        for _ in 0..WELCOME_PER_TURN {
            match self.peers.inbox.poll_recv(cx) {
                Poll::Ready(Some(migrant)) => self.welcome_one(migrant),
                Poll::Ready(None) | Poll::Pending => return,
            }
        }
        cx.waker().wake_by_ref();
    }

    fn welcome_one(&mut self, migrant: Migrant<T::Detached>) {
        let transport = match migrant.detached.try_map(T::attach) {
            Ok(transport) => transport,
            Err(error) => {
                tracing::warn!(peer = %migrant.peer, %error, "a connection could not be taken to its loop");
                self.limits.close_one(migrant.peer.ip());
                return;
            }
        };
        let id = self.insert(transport, migrant.peer);
        if let Some(connection) = self.connections.get_mut(id) {
            connection.phase = Phase::Login;
            connection.heard = migrant.accepted;
            connection.unread = migrant.unread.into_boxed_slice();
        }
        if !migrant.unsent.is_empty() {
            self.send_bytes(id, migrant.unsent.into());
        }
        self.schedule(id);
        // On its home loop a login has no other route.
        let _here = self.log_in(id, migrant.request_id, migrant.login);
        self.use_outputs();
        self.serve_again(id);
    }
}
