//! The words in which the driver speaks to the real machines and to the model, and in which both answer.

use std::collections::{BTreeMap, BTreeSet};

use presence::gates::{Call, Refusal};
use presence::ids::{AppId, ConnectionId, SessionId, UserId, UserKey};
use presence::login::{Ended, Login, LoginRefusal, Loss};
use presence::settings::AppSettings;
use presence::status::{InvalidCustomStatus, Reason, Status};
use presence::time::{Mono, Now};

/// What happens to the system, with everything resolved: the same for both sides.
#[derive(Debug, Clone)]
pub enum Step {
    LogIn {
        user: UserKey,
        login: Login,
    },
    Lose {
        user: UserKey,
        session: SessionId,
        connection: ConnectionId,
        loss: Loss,
    },
    LogOut {
        user: UserKey,
        session: SessionId,
        connection: ConnectionId,
    },
    LogOutLate {
        user: UserKey,
        login: Login,
    },
    SetCustom {
        user: UserKey,
        session: SessionId,
        connection: ConnectionId,
        text: String,
    },
    Call {
        user: UserKey,
        session: SessionId,
        connection: ConnectionId,
        call: Call,
        ids: Vec<String>,
    },
    List {
        user: UserKey,
        session: SessionId,
        connection: ConnectionId,
    },
    Restore {
        user: UserKey,
        session: SessionId,
        connection: ConnectionId,
        generation: u64,
        ids: Vec<UserId>,
    },
    Kick {
        user: UserKey,
    },
    Delete {
        user: UserKey,
    },
    Import {
        user: UserKey,
    },
    Befriend {
        owner: UserKey,
        friends: Vec<UserId>,
    },
    Configure {
        app: AppId,
        settings: AppSettings,
    },
    /// What is due is carried out.
    Tick,
    /// The engine starts anew and remembers nothing; its floor is above all before.
    Restart {
        floor: u64,
    },
}

/// What the one who asked hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Nothing to say.
    Done,
    /// The session is not live on that connection.
    Stale,
    LoggedIn {
        session: SessionId,
        ended: Vec<Ended>,
        user: Seen,
        list: ListSeen,
    },
    LoginRefused(LoginRefusal),
    /// Sessions that a late logout ended.
    LeftLate(Vec<Ended>),
    InvalidCustom(InvalidCustomStatus),
    Refused(Refusal),
    Users {
        users: Vec<(String, IdAnswer)>,
        evicted: Vec<UserId>,
    },
    Listed(Vec<UserId>),
    NotRestorable,
    Kicked(Vec<Ended>),
}

/// The result of one id of a call (R4.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdAnswer {
    Is(Seen),
    /// Unsubscribed, or it never was.
    Off,
    NoAccount,
    IllFormed,
    Oneself,
}

/// A user as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub status: Status,
    pub custom: String,
    pub version: u64,
    pub since: i64,
    pub reason: Reason,
    pub platforms: u32,
}

/// A subscription list as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListSeen {
    pub ids: Vec<UserId>,
    pub generation: u64,
    pub restorable: bool,
}

/// A change of a user, and the connections that hear of it (R6.1). Platforms are 0: no notification has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub user: UserKey,
    pub change: Seen,
    pub to: BTreeSet<ConnectionId>,
}

/// A change of a list, and the connections that hear of it (R5.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListTold {
    pub owner: UserKey,
    pub added: Vec<UserId>,
    pub removed: Vec<UserId>,
    pub evicted: Vec<UserId>,
    pub generation: u64,
    pub to: BTreeSet<ConnectionId>,
}

/// Everything that came out of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub answer: Answer,
    /// By user and version.
    pub told: Vec<Told>,
    /// By owner and generation.
    pub lists: Vec<ListTold>,
}

/// Everything there is to see of the system at rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    pub users: BTreeMap<UserKey, UserView>,
    pub next_deadline: Option<Mono>,
}

/// Everything there is to see of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserView {
    pub seen: Seen,
    pub list: ListSeen,
    pub connections: BTreeSet<(SessionId, ConnectionId)>,
}

/// A system that keeps the rules: the real machines, or the model.
pub trait Rules {
    fn step(&mut self, now: Now, step: &Step) -> Outcome;
    fn view(&self) -> View;
}

impl Outcome {
    pub fn sorted(answer: Answer, mut told: Vec<Told>, mut lists: Vec<ListTold>) -> Outcome {
        told.sort_by_key(|told| (told.user, told.change.version));
        lists.sort_by_key(|told| (told.owner, told.generation));
        Outcome { answer, told, lists }
    }
}

/// In the order of their numbers, so that two lists of them compare.
pub fn by_session(mut ended: Vec<Ended>) -> Vec<Ended> {
    ended.sort_by_key(|ended| ended.session);
    ended
}
