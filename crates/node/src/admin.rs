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

use crate::engine::memory::home_of;
use crate::engine::{
    Account, AccountFilter, AccountPage, Answer, Command, Detail, FriendsEdited, Snapshot, StatusCounts,
};
use crate::statistics::{AppStatistics, LoopStatistics};

/// Orders that may wait for one loop; more wait with whoever gives them.
pub(crate) const ORDERS_MAX: usize = 256;

/// Accounts described with their lists in one turn of a loop, and without. With thousands of friends the lists of one are
/// 100 KB to copy: nobody waits for those of hundreds.
const LISTS_AT_ONCE: usize = 16;
const DEVICES_AT_ONCE: usize = 500;

/// An order to one loop.
pub(crate) enum Order {
    Configure {
        app: AppId,
        settings: AppSettings,
        done: oneshot::Sender<Answer>,
    },
    /// The answer is the engine's.
    Engine {
        command: Command,
        done: oneshot::Sender<Answer>,
    },
    Measure(oneshot::Sender<LoopStatistics>),
    /// What the loop did for one app.
    MeasureApp(AppId, oneshot::Sender<AppStatistics>),
    /// Answered when no connection is left.
    Drain(oneshot::Sender<Answer>),
    Stop(oneshot::Sender<Answer>),
}

/// The node has ended, or its engine could not do it; whether it took effect is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unavailable;

impl std::fmt::Display for Unavailable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the node has ended, or its engine could not do it")
    }
}

impl std::error::Error for Unavailable {}

/// Where a list of accounts goes on. Opaque, but for [`Cursor::to_bits`]; any number is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cursor {
    home: u32,
    place: u32,
}

impl Cursor {
    /// As one number.
    #[must_use]
    pub fn to_bits(self) -> u64 {
        u64::from(self.home) << 32 | u64::from(self.place)
    }

    /// The inverse of [`Cursor::to_bits`].
    #[must_use]
    pub fn from_bits(bits: u64) -> Cursor {
        Cursor {
            home: (bits >> 32) as u32,
            place: bits as u32,
        }
    }
}

/// What a backend may do, awaited. Cheap to clone; it may outlive its node, and then does nothing.
///
/// An order is carried out when its future is ready; what it makes connections say is then on its way to them.
#[derive(Clone)]
pub struct AsyncAdmin {
    loops: Vec<mpsc::Sender<Order>>,
    friends_max: usize,
}

impl AsyncAdmin {
    pub(crate) fn new(loops: Vec<mpsc::Sender<Order>>, friends_max: usize) -> AsyncAdmin {
        AsyncAdmin { loops, friends_max }
    }

    /// New settings of an app, in effect from the next call and the next change (R7.6). Of an app the node does not
    /// have: nothing happens, and the log says so. False: see [`Unavailable`]; so with all that answer a `bool` here.
    pub async fn set_app_settings(&self, app: AppId, settings: AppSettings) -> bool {
        let mut all = true;
        for to in &self.loops {
            let settings = settings.clone();
            all &= ask(to, |done| Order::Configure { app, settings, done }).await == Answer::Done;
        }
        all
    }

    /// R8.7: ends all devices of an account, which becomes UNLOGINED; UserSigs made until now are revoked. Of an
    /// account that does not exist: nothing happens.
    pub async fn kick(&self, user: UserKey) -> bool {
        self.at_home(&user, Command::Kick { user }).await == Answer::Done
    }

    /// R1.2: makes the account if there is none.
    pub async fn import_account(&self, user: UserKey) -> bool {
        self.at_home(&user, Command::Import { user }).await == Answer::Done
    }

    /// R1.5: ends its devices as a kick does, and removes its subscriptions and those to it.
    pub async fn delete_account(&self, user: UserKey) -> bool {
        self.at_home(&user, Command::Delete { user }).await == Answer::Done
    }

    /// R9.1: replaces the friend list of `owner`, which is imported. Repeats, the owner itself, and friends past
    /// `friends_max` of the node's configuration are left out.
    pub async fn set_friends(&self, owner: UserKey, friends: Vec<UserId>) -> bool {
        let friends = friend_list(&owner, friends.into_iter(), self.friends_max);
        self.at_home(&owner, Command::SetFriends { owner, friends }).await == Answer::Done
    }

    /// R9.1: adds to the friend list of `owner` and takes off it, in one step; `None`: no such account. Whether those
    /// added have accounts is not looked at. Of an id in both, and of the owner itself, nothing changes.
    pub async fn edit_friends(
        &self,
        owner: UserKey,
        add: Vec<UserId>,
        remove: Vec<UserId>,
    ) -> Result<Option<FriendsEdited>, Unavailable> {
        let command = Command::EditFriends {
            owner,
            add,
            remove,
            friends_max: self.friends_max,
        };
        match self.at_home(&owner, command).await {
            Answer::FriendsEdited(edited) => Ok(edited),
            _ => Err(Unavailable),
        }
    }

    /// Whether a UserSig made at that second since the epoch is revoked (R8.7).
    pub async fn is_revoked(&self, user: UserKey, signed_at_s: i64) -> Result<bool, Unavailable> {
        match self
            .at_home(&user, Command::CheckRevoked { user, signed_at_s })
            .await
        {
            Answer::Done => Ok(false),
            Answer::LoginRefused(_) => Ok(true),
            _ => Err(Unavailable),
        }
    }

    /// What users show now (R4.5), in the order asked; `None`: no such account.
    pub async fn look(&self, app: AppId, users: Vec<UserId>) -> Result<Vec<Option<Snapshot>>, Unavailable> {
        let Some(to) = self.loops.first() else {
            return Err(Unavailable);
        };
        match ask(to, |done| Order::Engine {
            command: Command::Look { app, users },
            done,
        })
        .await
        {
            Answer::Users(users) => Ok(users),
            _ => Err(Unavailable),
        }
    }

    /// What is known of accounts, in the order asked; `None`: no such account. A part of many at a time, so that nobody
    /// waits for it.
    pub async fn describe(
        &self,
        app: AppId,
        users: &[UserId],
        detail: Detail,
    ) -> Result<Vec<Option<Account>>, Unavailable> {
        let at_once = match detail {
            Detail::Devices => DEVICES_AT_ONCE,
            Detail::Lists => LISTS_AT_ONCE,
        };
        let mut by_home: Vec<Vec<(usize, UserId)>> = vec![Vec::new(); self.loops.len()];
        for (position, user) in users.iter().enumerate() {
            let home = home_of(&UserKey { app, user: *user }, self.loops.len());
            by_home.get_mut(home).ok_or(Unavailable)?.push((position, *user));
        }
        let mut all = vec![None; users.len()];
        let homes = self.loops.iter().zip(&by_home);
        for (to, here) in homes.flat_map(|(to, here)| here.chunks(at_once).map(move |here| (to, here))) {
            let (positions, users): (Vec<usize>, Vec<UserId>) = here.iter().copied().unzip();
            let command = Command::Describe { app, users, detail };
            let Answer::Accounts(accounts) = ask(to, |done| Order::Engine { command, done }).await else {
                return Err(Unavailable);
            };
            for (position, account) in positions.into_iter().zip(accounts) {
                if let Some(place) = all.get_mut(position) {
                    *place = account;
                }
            }
        }
        Ok(all)
    }

    /// The accounts of an app that meet `filter`, at most `count_max` of them, from `cursor` on ([`Cursor::default`]: from
    /// the first), in no order that means anything; and where to go on, `None` if that was all. An account that is there
    /// from the first call to the last is listed once; one made or deleted meanwhile may be missing.
    ///
    /// Looks at all accounts of the node, a few hundred at a time, so that nobody waits for it.
    pub async fn accounts(
        &self,
        app: AppId,
        filter: AccountFilter,
        cursor: Cursor,
        count_max: usize,
    ) -> Result<(Vec<(UserId, Snapshot)>, Option<Cursor>), Unavailable> {
        let mut found = Vec::new();
        let Cursor { mut home, mut place } = cursor;
        while let Some(to) = self.loops.get(home as usize) {
            let command = Command::ListAccounts {
                app,
                filter,
                from: place,
                count_max: count_max - found.len(),
            };
            let Answer::AccountPage(AccountPage { accounts, next }) =
                ask(to, |done| Order::Engine { command, done }).await
            else {
                return Err(Unavailable);
            };
            found.extend(accounts);
            (home, place) = match next {
                Some(next) => (home, next),
                None => (home.saturating_add(1), 0),
            };
            if found.len() >= count_max {
                let is_end = home as usize >= self.loops.len();
                return Ok((found, (!is_end).then_some(Cursor { home, place })));
            }
        }
        Ok((found, None))
    }

    /// How many accounts of an app there are, by status.
    pub async fn counts(&self, app: AppId) -> Result<StatusCounts, Unavailable> {
        let mut all = StatusCounts::default();
        for to in &self.loops {
            let command = Command::Count { app };
            match ask(to, |done| Order::Engine { command, done }).await {
                Answer::Counts(counts) => all = all + counts,
                _ => return Err(Unavailable),
            }
        }
        Ok(all)
    }

    /// What each loop has done and holds, by loop.
    pub async fn statistics(&self) -> Result<Vec<LoopStatistics>, Unavailable> {
        let mut all = Vec::with_capacity(self.loops.len());
        for to in &self.loops {
            let (done, waiting) = oneshot::channel();
            to.send(Order::Measure(done)).await.map_err(|_| Unavailable)?;
            all.push(waiting.await.map_err(|_| Unavailable)?);
        }
        Ok(all)
    }

    /// What all loops together did for one app, and hold of it.
    pub async fn app_statistics(&self, app: AppId) -> Result<AppStatistics, Unavailable> {
        let mut all = AppStatistics::default();
        for to in &self.loops {
            let (done, waiting) = oneshot::channel();
            let order = Order::MeasureApp(app, done);
            to.send(order).await.map_err(|_| Unavailable)?;
            all += waiting.await.map_err(|_| Unavailable)?;
        }
        Ok(all)
    }

    /// Friends that one user may have (R9.1), as configured.
    #[must_use]
    pub fn friends_max(&self) -> usize {
        self.friends_max
    }

    /// Takes no more connections, and asks clients to come back a little later (R2.9). Ready once the last connection is
    /// gone; from the order on, connections that end count as live, since they are expected back after a restart.
    pub async fn drain(&self) {
        let mut waiting = Vec::new();
        for to in &self.loops {
            let (done, drained) = oneshot::channel();
            if to.send(Order::Drain(done)).await.is_ok() {
                waiting.push(drained);
            }
        }
        for drained in waiting {
            // An error says that the loop has ended, and its connections with it.
            let _ = drained.await;
        }
    }

    /// Ends the loops. Connections are told to come back later, and closed.
    pub async fn stop(&self) {
        for to in &self.loops {
            // Nobody answers: the loop lets go of the question when it ends, or has ended.
            ask(to, Order::Stop).await;
        }
    }

    /// Tells the loops to end, without waiting. One whose mailbox is full is not told.
    pub(crate) fn stop_soon(&self) {
        for to in &self.loops {
            // Full or ended: there is nothing more to be done without waiting.
            let (done, _) = oneshot::channel();
            let _ = to.try_send(Order::Stop(done));
        }
    }

    async fn at_home(&self, user: &UserKey, command: Command) -> Answer {
        match self.loops.get(home_of(user, self.loops.len())) {
            Some(to) => ask(to, |done| Order::Engine { command, done }).await,
            None => Answer::Unavailable,
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

/// Gives an order and waits for what came of it. A loop that has ended answers nothing more.
async fn ask(to: &mpsc::Sender<Order>, order: impl FnOnce(oneshot::Sender<Answer>) -> Order) -> Answer {
    let (done, waiting) = oneshot::channel();
    if to.send(order(done)).await.is_err() {
        return Answer::Unavailable;
    }
    waiting.await.unwrap_or(Answer::Unavailable)
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
    pub fn set_app_settings(&self, app: AppId, settings: AppSettings) -> bool {
        wait(self.inner.set_app_settings(app, settings))
    }

    /// See [`AsyncAdmin::kick`].
    pub fn kick(&self, user: UserKey) -> bool {
        wait(self.inner.kick(user))
    }

    /// See [`AsyncAdmin::import_account`].
    pub fn import_account(&self, user: UserKey) -> bool {
        wait(self.inner.import_account(user))
    }

    /// See [`AsyncAdmin::delete_account`].
    pub fn delete_account(&self, user: UserKey) -> bool {
        wait(self.inner.delete_account(user))
    }

    /// See [`AsyncAdmin::set_friends`].
    pub fn set_friends(&self, owner: UserKey, friends: Vec<UserId>) -> bool {
        wait(self.inner.set_friends(owner, friends))
    }

    /// See [`AsyncAdmin::drain`].
    pub fn drain(&self) {
        wait(self.inner.drain());
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
