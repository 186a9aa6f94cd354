//! What waits for an answer of the engine, and what is to be done with it then.

use std::collections::HashMap;
use std::sync::Arc;

use presence::ids::{UserId, UserKey};
use presence::status::Version;
use presence::time::Wall;
use tokio::sync::oneshot;

use crate::engine::Answer;
use crate::hub::watchers::Reasons;
use crate::slab::Id;

/// A request of a connection, to be answered there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker {
    pub(crate) connection: Id,
    pub(crate) request_id: u64,
}

/// One user that a request named (R4.3), in order of first mention.
#[derive(Debug, Clone)]
pub(crate) enum Named {
    /// To be asked about.
    User(UserId),
    /// Refused as it stands.
    Refused {
        /// As it was given.
        id: String,
        code: i32,
    },
}

/// What a client said it was told of a user (R6.6).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    pub(crate) version: Version,
    /// As ONLINE (R2.9).
    pub(crate) online: bool,
}

/// What a client said it was told. Shared by the parts of one login.
pub(crate) type Known = Arc<HashMap<UserId, Told>>;

/// Who is caught up.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Devices {
    /// One that just logged in.
    One(Id),
    /// All of the user's.
    All,
}

/// A login that is with the engine.
pub(crate) struct Entering {
    pub(crate) asker: Asker,
    pub(crate) user: UserKey,
    /// R8.4.
    pub(crate) expires: Wall,
    /// Of the list that the client has.
    pub(crate) list_generation: u64,
    pub(crate) known: Known,
}

/// See the module.
pub(crate) enum Pending {
    LogIn(Entering),
    LogOut(Asker),
    /// Said by a connection that nobody is logged in on (R8.8).
    LogOutLate(Asker),
    SetCustom(Asker),
    Renew {
        asker: Asker,
        expires: Wall,
    },
    /// A query, to be answered with what users show.
    Query {
        asker: Asker,
        named: Vec<Named>,
    },
    /// The users named by a subscribe are being watched; they are held in the hub, at these places.
    SubscribeWatch {
        asker: Asker,
        user: UserKey,
        named: Vec<Named>,
        held: Vec<Id>,
    },
    /// The list is being changed.
    Subscribe {
        asker: Asker,
        user: UserKey,
        named: Vec<Named>,
        held: Vec<Id>,
        /// Platforms online, by the users among `named`; `None`: no such account.
        platforms: Vec<Option<u32>>,
    },
    Unsubscribe {
        asker: Asker,
        user: UserKey,
        named: Vec<Named>,
    },
    /// The users of a restore are being watched; they are held in the hub, at these places.
    RestoreWatch {
        asker: Asker,
        user: UserKey,
        generation: u64,
        ids: Vec<UserId>,
        held: Vec<Id>,
    },
    Restore {
        asker: Asker,
        user: UserKey,
        held: Vec<Id>,
    },
    /// A list of a user's, to be answered with or without what its members show.
    List {
        asker: Asker,
        user: UserKey,
        with_status: bool,
    },
    /// The same, once its members are known and what they show is asked.
    ListShown {
        asker: Asker,
        named: Vec<Named>,
    },
    /// Users watched for a reason: devices are sent what they do not know.
    CatchUp {
        user: UserKey,
        devices: Devices,
        reason: Reasons,
        ids: Vec<UserId>,
        known: Known,
    },
    /// The friends of a user who is here (R9.2).
    Friends {
        user: UserKey,
        devices: Devices,
        known: Known,
    },
    /// The backend waits.
    Admin(oneshot::Sender<Answer>),
}

impl Pending {
    /// The connection that waits, if one does.
    pub(crate) fn asker(&self) -> Option<Asker> {
        match self {
            Pending::LogIn(Entering { asker, .. })
            | Pending::LogOut(asker)
            | Pending::LogOutLate(asker)
            | Pending::SetCustom(asker)
            | Pending::Renew { asker, .. }
            | Pending::Query { asker, .. }
            | Pending::SubscribeWatch { asker, .. }
            | Pending::Subscribe { asker, .. }
            | Pending::Unsubscribe { asker, .. }
            | Pending::RestoreWatch { asker, .. }
            | Pending::Restore { asker, .. }
            | Pending::List { asker, .. }
            | Pending::ListShown { asker, .. } => Some(*asker),
            Pending::CatchUp { .. } | Pending::Friends { .. } | Pending::Admin(_) => None,
        }
    }
}
