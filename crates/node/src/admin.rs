//! The backend's side of a node: what it may order, from any thread or from asynchronous code.

use std::collections::HashSet;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use presence::ids::{AppId, UserId, UserKey};
use presence::settings::AppSettings;
use tokio::sync::{mpsc, oneshot};

use crate::engine::Command;
use crate::engine::memory::home_of;

/// Orders that may wait for one loop; more wait with whoever gives them.
pub(crate) const ORDERS_MAX: usize = 256;

/// An order to one loop.
pub(crate) enum Order {
    Configure { app: AppId, settings: AppSettings },
    Engine(Command),
    Stop,
}

/// An order, and whom to tell that it was carried out.
pub(crate) struct Message {
    pub(crate) order: Order,
    pub(crate) done: oneshot::Sender<()>,
}

/// What a backend may do, awaited. Cheap to clone; it may outlive its node, and then does nothing.
///
/// An order is carried out when its future is ready; what it makes connections say is then on its way to them.
#[derive(Clone)]
pub struct AsyncAdmin {
    loops: Vec<mpsc::Sender<Message>>,
    friends_max: usize,
}

impl AsyncAdmin {
    pub(crate) fn new(loops: Vec<mpsc::Sender<Message>>, friends_max: usize) -> AsyncAdmin {
        AsyncAdmin { loops, friends_max }
    }

    /// New settings of an app, in effect from the next call and the next change (R7.6). Of an app the node does not
    /// have: nothing happens, and the log says so.
    pub async fn set_app_settings(&self, app: AppId, settings: AppSettings) {
        for to in &self.loops {
            order(
                to,
                Order::Configure {
                    app,
                    settings: settings.clone(),
                },
            )
            .await;
        }
    }

    /// R8.7: ends all devices of an account, which becomes UNLOGINED; UserSigs made until now are revoked. Of an
    /// account that does not exist: nothing happens.
    pub async fn kick(&self, user: UserKey) {
        self.at_home(&user, Command::Kick { user }).await;
    }

    /// R1.2: makes the account if there is none.
    pub async fn import_account(&self, user: UserKey) {
        self.at_home(&user, Command::Import { user }).await;
    }

    /// R1.5: ends its devices as a kick does, and removes its subscriptions and those to it.
    pub async fn delete_account(&self, user: UserKey) {
        self.at_home(&user, Command::Delete { user }).await;
    }

    /// R9.1: replaces the friend list of `owner`, which is imported. Repeats, the owner itself, and friends past
    /// `friends_max` of the node's configuration are left out.
    pub async fn set_friends(&self, owner: UserKey, friends: Vec<UserId>) {
        let friends = friend_list(&owner, friends.into_iter(), self.friends_max);
        self.at_home(&owner, Command::SetFriends { owner, friends }).await;
    }

    /// Ends the loops. Connections are told to come back later, and closed.
    pub async fn stop(&self) {
        for to in &self.loops {
            order(to, Order::Stop).await;
        }
    }

    /// Tells the loops to end, without waiting. One whose mailbox is full is not told.
    pub(crate) fn stop_soon(&self) {
        for to in &self.loops {
            let (done, _) = oneshot::channel();
            // Full or ended: there is nothing more to be done without waiting.
            let _ = to.try_send(Message {
                order: Order::Stop,
                done,
            });
        }
    }

    async fn at_home(&self, user: &UserKey, command: Command) {
        if let Some(to) = self.loops.get(home_of(user, self.loops.len())) {
            order(to, Order::Engine(command)).await;
        }
    }
}

/// A friend list as R9.1 allows it: each once, without its owner, and not longer than that.
pub(crate) fn friend_list(
    owner: &UserKey,
    friends: impl Iterator<Item = UserId>,
    friends_max: usize,
) -> Vec<UserId> {
    let mut seen = HashSet::new();
    friends
        .filter(|friend| *friend != owner.user && seen.insert(*friend))
        .take(friends_max)
        .collect()
}

async fn order(to: &mpsc::Sender<Message>, order: Order) {
    let (done, waiting) = oneshot::channel();
    // Either error says that the loop has ended; then there is nothing left to order.
    if to.send(Message { order, done }).await.is_ok() {
        let _ = waiting.await;
    }
}

/// What a backend may do: REST, configuration reload and tests go through it. Every call waits until the order was
/// carried out (microseconds to milliseconds). From any thread but one that runs a loop of the node; asynchronous code
/// uses [`Admin::to_async`].
#[derive(Clone)]
pub struct Admin {
    inner: AsyncAdmin,
}

impl Admin {
    pub(crate) fn new(inner: AsyncAdmin) -> Admin {
        Admin { inner }
    }

    /// The same, awaited.
    #[must_use]
    pub fn to_async(&self) -> AsyncAdmin {
        self.inner.clone()
    }

    /// See [`AsyncAdmin::set_app_settings`].
    pub fn set_app_settings(&self, app: AppId, settings: AppSettings) {
        wait(self.inner.set_app_settings(app, settings));
    }

    /// See [`AsyncAdmin::kick`].
    pub fn kick(&self, user: UserKey) {
        wait(self.inner.kick(user));
    }

    /// See [`AsyncAdmin::import_account`].
    pub fn import_account(&self, user: UserKey) {
        wait(self.inner.import_account(user));
    }

    /// See [`AsyncAdmin::delete_account`].
    pub fn delete_account(&self, user: UserKey) {
        wait(self.inner.delete_account(user));
    }

    /// See [`AsyncAdmin::set_friends`].
    pub fn set_friends(&self, owner: UserKey, friends: Vec<UserId>) {
        wait(self.inner.set_friends(owner, friends));
    }

    pub(crate) fn stop(&self) {
        wait(self.inner.stop());
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future that some other thread makes ready. Not tokio's way to block, which refuses inside any runtime: this
/// may be called from a foreign runtime's thread, too.
fn wait<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}
