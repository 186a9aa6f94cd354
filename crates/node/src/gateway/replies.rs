//! Replies of more than a line: to requests that are done or not, and to those that name users (R4.3).

use bytes::{Bytes, BytesMut};
use presence::ids::UserId;
use presence::status::Presence;
use presence_protocol::errors::code;
use presence_protocol::message::{Reply, StatusRef, encode_reply};

use super::pending::{Asker, Named};
use super::texts;
use crate::engine::{Answer, Snapshot};
use crate::event_loop::Loop;
use crate::transport::Transport;

impl<T: Transport> Loop<T> {
    /// R4.3.
    pub(crate) fn reply_per_user(&mut self, asker: Asker, users: &[StatusRef<'_>]) {
        self.send_reply(asker, &per_user(asker.request_id, users), users);
    }

    /// A list: it is told whatever becomes of those on it (R5.9), of whom none may have an account after a restart.
    pub(super) fn reply_list(&mut self, asker: Asker, users: &[StatusRef<'_>]) {
        self.send_reply(asker, &done(asker), users);
    }

    fn send_reply(&mut self, asker: Asker, reply: &Reply, users: &[StatusRef<'_>]) {
        self.send_reply_frame(asker, reply.code, frame_of(reply, users));
    }

    /// Answers a request with a reply of this code that is a frame already.
    pub(super) fn send_reply_frame(&mut self, asker: Asker, code: i32, frame: Bytes) {
        self.count_reply(asker.connection, code);
        self.send_bytes(asker.connection, frame);
    }
}

/// A reply with these users, as a frame.
pub(super) fn frame_of(reply: &Reply, users: &[StatusRef<'_>]) -> Bytes {
    let mut buffer = BytesMut::new();
    encode_reply(reply, users, &mut buffer);
    buffer.freeze()
}

/// The reply to a request that is done.
pub(super) fn done(asker: Asker) -> Reply {
    Reply {
        request_id: asker.request_id,
        ..Reply::default()
    }
}

/// The reply to a request that is done or not.
pub(super) fn simple(asker: Asker, answer: &Answer) -> Reply {
    match answer {
        Answer::Done => done(asker),
        Answer::Stale => texts::refused(asker.request_id, code::NOT_LOGGED_IN),
        Answer::Unavailable
        | Answer::NotRestorable
        | Answer::LoggedIn(_)
        | Answer::LoginRefused(_)
        | Answer::List { .. }
        | Answer::Ids(_)
        | Answer::Users(_)
        | Answer::Accounts(_)
        | Answer::AccountPage(_)
        | Answer::Counts(_)
        | Answer::FriendsEdited(_) => texts::refused(asker.request_id, code::SERVER_ERROR),
    }
}

/// A user without what it shows.
pub(super) fn plain(named: &Named) -> StatusRef<'_> {
    match named {
        Named::User(user) => StatusRef::Plain {
            user_id: user.as_str(),
            code: code::OK,
        },
        Named::Refused { id, code } => StatusRef::Plain {
            user_id: id,
            code: *code,
        },
    }
}

/// A user with what it shows and the platforms it is online on; `None`: it has no account.
pub(super) fn status<'a>(user: &'a UserId, shown: Option<(&'a Presence, u32)>) -> StatusRef<'a> {
    match shown {
        Some((presence, platforms)) => StatusRef::Found {
            user,
            presence,
            platforms,
        },
        None => StatusRef::Plain {
            user_id: user.as_str(),
            code: code::ACCOUNT_NOT_FOUND,
        },
    }
}

/// R4.3: everyone who was named, in that order. `snapshots` are those of the users among them.
pub(super) fn statuses<'a>(named: &'a [Named], snapshots: &'a [Option<Snapshot>]) -> Vec<StatusRef<'a>> {
    let mut snapshots = snapshots.iter();
    named
        .iter()
        .map(|name| match name {
            Named::User(user) => {
                let snapshot = snapshots.next().and_then(Option::as_ref);
                status(user, snapshot.map(|found| (&found.presence, found.platforms)))
            }
            Named::Refused { .. } => plain(name),
        })
        .collect()
}

/// R4.3: the call fails only if no user succeeded, with the first user's code. The users are still to be put in.
pub(super) fn per_user(request_id: u64, users: &[StatusRef<'_>]) -> Reply {
    let failed = users
        .first()
        .map(StatusRef::code)
        .filter(|_| users.iter().all(|user| user.code() != code::OK));
    of_code(request_id, failed.unwrap_or(code::OK))
}

/// A reply without users.
pub(super) fn of_code(request_id: u64, code: i32) -> Reply {
    match code {
        code::OK => Reply {
            request_id,
            ..Reply::default()
        },
        code => texts::refused(request_id, code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_fails_with_its_first_code_only_if_nobody_succeeded_r4_3() {
        let plain = |user_id, code| StatusRef::Plain { user_id, code };
        let reply = per_user(1, &[plain("a", 70107), plain("b", 0)]);
        assert_eq!(reply.code, 0);
        let reply = per_user(1, &[plain("a", 70107), plain("", 7003)]);
        assert_eq!(reply.code, 70107);
        assert!(!reply.message.is_empty());
        assert_eq!(per_user(1, &[]).code, 0);
    }
}
