//! The engine keeps the users' records and lists, runs the rules of `presence` on them, and says what changed. The
//! gateway and the hub know only the trait here; which engine it is was chosen at start-up.
//!
//! Every loop of a node has an engine of its own; the engines of a node know each other. A loop is the *home* of the
//! users whose connections it owns, and asks about any user.
//!
//! A loop tells its engine whom it is *interested* in ([`Command::Watch`]), however many watchers it has for them, and
//! then hears of each of their changes once. Of its home users it hears always.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod memory;
mod mesh;

use std::task::{Context, Poll};

use presence::ids::{AppId, ConnectionId, Platform, SessionId, UserId, UserKey};
use presence::login::{Ended, Login, LoginRefusal, Loss};
use presence::settings::AppSettings;
use presence::status::{CustomStatus, Presence, Status, Version};
use presence::subscriptions::ListChange;
use presence::time::{Mono, Now};
use presence::user::DeviceView;

/// Ties an answer to its command. Chosen by who submits, opaque to the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(pub u64);

/// How a session leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    /// R8.8.
    LogOut,
    /// R2.2.
    Lost(Loss),
}

/// What an engine is asked. Commands about one user are for the engine of that user's home, but for `Look`, `Watch` and
/// `Unwatch`, which go to any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A device whose UserSig was checked wants in; an account is made if there is none (R1.2). Answer: `LoggedIn` or
    /// `LoginRefused`.
    LogIn {
        /// Who.
        user: UserKey,
        /// The device and its connection.
        login: Login,
    },
    /// A session goes. A stale one changes nothing. Answer: `Done`.
    Leave {
        /// Whose.
        user: UserKey,
        /// Which.
        session: SessionId,
        /// On which connection.
        connection: ConnectionId,
        /// How.
        how: Departure,
    },
    /// A device whose UserSig was checked says that it logged out while it was away (R8.8). It is not let in, and makes no
    /// account. Answer: `Done`, or `LoginRefused`.
    LogOutLate {
        /// Whose.
        user: UserKey,
        /// The device, the connection it speaks on, and the login it means.
        login: Login,
    },
    /// R3. Answer: `Done`, or `Stale` if the session is not live on that connection.
    SetCustom {
        /// Whose.
        user: UserKey,
        /// Set by this session.
        session: SessionId,
        /// On this connection.
        connection: ConnectionId,
        /// The text, checked.
        custom: CustomStatus,
    },
    /// Whether a UserSig made at that second is revoked (R8.7). Answer: `Done`, or `LoginRefused(Revoked)`.
    CheckRevoked {
        /// Whose.
        user: UserKey,
        /// `TLS.time`, seconds since the epoch.
        signed_at_s: i64,
    },
    /// R5.1–R5.3. The ids are different, have accounts and are not the user. Submitted on the answer to a `Watch` before
    /// the next output is asked for, nobody is listed in the end who was deleted meanwhile (R1.5). Answer: `List`.
    Subscribe {
        /// Whose list.
        user: UserKey,
        /// In order.
        ids: Vec<UserId>,
    },
    /// R5.7. Answer: `List`.
    Unsubscribe {
        /// Whose list.
        user: UserKey,
        /// Whom to take off.
        ids: Vec<UserId>,
    },
    /// R5.7 without ids. Answer: `List`.
    ClearSubscriptions {
        /// Whose list.
        user: UserKey,
    },
    /// R5.8. Answer: `List`, or `NotRestorable`.
    Restore {
        /// Whose list.
        user: UserKey,
        /// Of the cleared list.
        generation: u64,
        /// Oldest first, without the user. Some may have no account (yet).
        ids: Vec<UserId>,
    },
    /// R5.9. Answer: `Ids`, oldest first.
    ListSubscriptions {
        /// Whose list.
        user: UserKey,
    },
    /// R9.1. Answer: `Ids`.
    ListFriends {
        /// Whose list.
        user: UserKey,
    },
    /// What users show now (R4.5). Answer: `Users`, in the order asked.
    Look {
        /// Of this app.
        app: AppId,
        /// Each once.
        users: Vec<UserId>,
    },
    /// As `Look`, and this loop is interested in them from the moment of the snapshot on, in those without an account
    /// too. Being interested already is no error. Answer: `Users`, in the order asked.
    Watch {
        /// Of this app.
        app: AppId,
        /// Each once.
        users: Vec<UserId>,
        /// Someone subscribes to them: where the app says so, that makes the account (R1.2).
        mention: bool,
    },
    /// This loop is not interested any more. No answer.
    Unwatch {
        /// Of this app.
        app: AppId,
        /// Each once.
        users: Vec<UserId>,
    },
    /// R8.7. Of an account that does not exist: nothing. Answer: `Done`.
    Kick {
        /// Whom.
        user: UserKey,
    },
    /// R1.5. Answer: `Done`.
    Delete {
        /// Whom.
        user: UserKey,
    },
    /// R1.2. Answer: `Done`.
    Import {
        /// Whom.
        user: UserKey,
    },
    /// Replaces a friend list (R9.1), and imports its owner. Answer: `Done`.
    SetFriends {
        /// Whose.
        owner: UserKey,
        /// Each once, without the owner.
        friends: Vec<UserId>,
    },
    /// R9.1: adds to a friend list and takes off it. Of an id in both, and of the owner, nothing changes. Answer:
    /// `FriendsEdited`.
    EditFriends {
        /// Whose.
        owner: UserKey,
        /// Whom to add, in this order.
        add: Vec<UserId>,
        /// Whom to take off.
        remove: Vec<UserId>,
        /// Friends the list may then have.
        friends_max: usize,
    },
    /// What is known of users at home here. Answer: `Accounts`, in the order asked.
    Describe {
        /// Of this app.
        app: AppId,
        /// Whom.
        users: Vec<UserId>,
        /// How much of each.
        detail: Detail,
    },
    /// Accounts at home here, a part of them. Answer: `AccountPage`.
    ListAccounts {
        /// Of this app.
        app: AppId,
        /// Which.
        filter: AccountFilter,
        /// From here on: 0, or where the last answer said.
        from: u32,
        /// At most so many.
        count_max: usize,
    },
    /// How many accounts are at home here. Answer: `Counts`.
    Count {
        /// Of this app.
        app: AppId,
    },
    /// New settings of an app for the users at home here (R7.6). No answer.
    Configure {
        /// Which app.
        app: AppId,
        /// From now on.
        settings: AppSettings,
    },
}

/// What a user shows, to whoever asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// R4.4.
    pub presence: Presence,
    /// Who was told this version knows what is shown, too (R6.6): a crash raised the version and nothing else. Ask
    /// [`Engine::knows`].
    pub kept_version: Version,
    /// Bits of the platforms online (R1.4).
    pub platforms: u32,
}

/// What a user shows, where it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight<'a> {
    /// Who.
    pub user: &'a UserId,
    /// R4.4, but for the version.
    pub presence: &'a Presence,
    /// The version that is shown.
    pub version: Version,
    /// Bits of the platforms online (R1.4).
    pub platforms: u32,
}

/// Which accounts a list is to have: those that meet all that is `Some`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AccountFilter {
    /// Its id contains this text.
    pub contains: Option<UserId>,
    /// It shows this.
    pub status: Option<Status>,
    /// It is subscribed to this user, or has this user in its friend list: it watches this user.
    pub watches: Option<UserId>,
}

/// How much of an account is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// What it shows, and its devices. Its lists, which may hold thousands of ids, are left empty.
    Devices,
    /// All.
    Lists,
}

/// What is known of an account: all, or as much as the [`Detail`] asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// What it shows.
    pub snapshot: Snapshot,
    /// Its devices, in the order of their logins: live, in grace, lost.
    pub devices: Vec<DeviceView>,
    /// Its subscriptions, oldest first (R5.9).
    pub subscriptions: Vec<UserId>,
    /// Its friend list (R9.1).
    pub friends: Vec<UserId>,
}

/// A part of a list of accounts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountPage {
    /// Which, and what they show.
    pub accounts: Vec<(UserId, Snapshot)>,
    /// Where the list goes on; `None`: that was all.
    pub next: Option<u32>,
}

/// How many accounts there are, by status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StatusCounts {
    /// R2.1.
    pub online: u64,
    /// R2.2.
    pub offline: u64,
    /// R2.3.
    pub unlogined: u64,
}

impl std::ops::Add for StatusCounts {
    type Output = StatusCounts;

    fn add(self, other: StatusCounts) -> StatusCounts {
        StatusCounts {
            online: self.online + other.online,
            offline: self.offline + other.offline,
            unlogined: self.unlogined + other.unlogined,
        }
    }
}

impl StatusCounts {
    /// How many show that.
    pub fn of(&mut self, status: Status) -> &mut u64 {
        match status {
            Status::Online => &mut self.online,
            Status::Offline => &mut self.offline,
            Status::Unlogined => &mut self.unlogined,
        }
    }
}

/// What came of [`Command::EditFriends`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FriendsEdited {
    /// Now in the list and not before.
    pub added: Vec<UserId>,
    /// Not any more.
    pub removed: Vec<UserId>,
    /// Not added: the list is full.
    pub no_room: Vec<UserId>,
}

/// A login that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedIn {
    /// The number of this login (R8.3).
    pub session: SessionId,
    /// The user's own status, this login included.
    pub presence: Presence,
    /// As of a [`Snapshot`].
    pub kept_version: Version,
    /// R5.8.
    pub generation: u64,
    /// R5.8.
    pub restorable: bool,
    /// The subscriptions, oldest first.
    pub subscriptions: Vec<UserId>,
}

/// The answer to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The login succeeded.
    LoggedIn(Box<LoggedIn>),
    /// The login was refused and changed nothing.
    LoginRefused(LoginRefusal),
    /// Carried out.
    Done,
    /// The session is over; nothing was changed.
    Stale,
    /// The list as it is after a step.
    List {
        /// What the step did.
        change: ListChange,
        /// Its generation now.
        generation: u64,
    },
    /// R5.8.
    NotRestorable,
    /// A list.
    Ids(Vec<UserId>),
    /// Per user asked for, in that order; `None`: no such account.
    Users(Vec<Option<Snapshot>>),
    /// Per user asked for, in that order; `None`: no such account.
    Accounts(Vec<Option<Account>>),
    /// Of a list of accounts.
    AccountPage(AccountPage),
    /// How many.
    Counts(StatusCounts),
    /// What was changed; `None`: no such account.
    FriendsEdited(Option<FriendsEdited>),
    /// The engine could not carry it out (70500). Whether it took effect is not known.
    Unavailable,
}

/// Something that a device did or that became of it, for the app's backend (R10.1). Told whether or not the user's
/// presence changed by it: a user's second device, too, logs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// It logged in, or came back.
    LoggedIn {
        /// The platforms of live devices that had to go for it (R8.3).
        kicked: Vec<Platform>,
    },
    /// It logged out, or the backend ended it (R8.7, R1.5).
    LoggedOut,
    /// It is lost: its connection went without a logout, and its grace, if it had one, is over (R2.8). Whoever comes
    /// back before that was never lost.
    Lost(Loss),
    /// It changed the custom status to this.
    CustomStatus(CustomStatus),
}

/// What an engine says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// To a command that was submitted with a tag: once each.
    Answer {
        /// The command's.
        tag: Tag,
        /// What came of it.
        answer: Answer,
    },
    /// A user at home here, or one this loop is interested in, shows something new.
    Change {
        /// Who.
        user: UserKey,
        /// What.
        presence: Presence,
    },
    /// A session of a user at home here was ended while it had a connection.
    Ended {
        /// Whose.
        user: UserKey,
        /// Which, and why.
        ended: Ended,
    },
    /// The list of a user at home here changed other than by a command of this loop.
    ListChanged {
        /// Whose.
        user: UserKey,
        /// How.
        change: ListChange,
        /// Its generation now.
        generation: u64,
    },
    /// Something for the backend about a device of a user at home here (R10.1): after the change it made, if it made
    /// one.
    Happened {
        /// Whose.
        user: UserKey,
        /// Of the device.
        platform: Platform,
        /// The connection it was on, as far as it had one. It may have ended.
        connection: Option<ConnectionId>,
        /// What.
        what: Happening,
    },
    /// The friend list of a user at home here was replaced.
    FriendsChanged {
        /// Whose.
        user: UserKey,
        /// All, now.
        friends: Vec<UserId>,
    },
}

/// One loop's engine. Never blocks; what takes time comes out later.
///
/// Order: what concerns one user comes out in the order it happened. A command's answer comes before the sessions it
/// ended, and those before the change it caused (R6.4), the making of accounts that it mentions aside. A snapshot and the changes of the same user are in order, so a
/// loop that watches misses nothing between them (R5.6); users gathered from several places come when the last one is
/// there, so a change may overtake a snapshot: versions tell.
pub trait Engine: Send {
    /// Above every version that an earlier start gave out, and not above any of this one (R6.5).
    fn floor(&self) -> Version;

    /// Whether who was told of a user at the version `told` knows what that user shows, of whom `kept` is the
    /// [kept version](Snapshot::kept_version) (R6.6).
    fn knows(&self, told: Version, kept: Version) -> bool {
        told == kept
    }

    /// Begins a command. Without a tag nobody waits for the answer and none is given.
    fn submit(&mut self, at: Now, tag: Option<Tag>, command: Command);

    /// Answers a [`Command::Look`] on the spot, without a copy, if all that it takes is at hand: `see` is given what each of
    /// `names` shows, in their order; `None`: no such account, or no user id. False: `see` was not called, and the command
    /// is to be submitted.
    fn look_now(
        &mut self,
        at: Now,
        app: AppId,
        names: &[&str],
        see: &mut dyn FnMut(Option<Sight<'_>>),
    ) -> bool {
        let _ = (at, app, names, see);
        false
    }

    /// The next output. `Pending`: none now; the context's waker is woken when that changes by itself.
    fn poll_output(&mut self, at: Now, cx: &mut Context<'_>) -> Poll<Output>;

    /// When [`Engine::advance`] has something to do.
    fn next_deadline(&self) -> Option<Mono>;

    /// Carries out what is due: ends of grace, retention and linger. If that is much, a part of it, so that others are
    /// served in between: [`Engine::next_deadline`] is then not after `at`, and a later call goes on.
    fn advance(&mut self, at: Now);

    /// The end of a tick: sends on what was gathered for other places. False: some of it found no room, and the loop
    /// should take nothing new from its sockets until a later call says true.
    fn flush(&mut self) -> bool;

    /// The loop ends, and nothing follows: hands to the durable store, if there is one, what it was not given yet. May
    /// wait for it.
    fn close(&mut self, at: Now);
}
