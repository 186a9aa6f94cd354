//! Sessions of a user: devices log in, leave, say what they do, and are kicked (R2, R3, R8).

use presence::ids::{ConnectionId, Platform, SessionId, UserKey};
use presence::login::{Ended, Login, LoginRefusal};
use presence::status::CustomStatus;
use presence::time::Now;

use super::{MemoryEngine, shown};
use crate::engine::{Answer, Departure, Happening, LoggedIn, Output, Tag};

impl MemoryEngine {
    pub(super) fn log_in(&mut self, user: UserKey, login: Login, at: Now, tag: Option<Tag>) {
        // Not told on its own: the login itself is a change.
        let is_new = self.make(user, at).is_some();
        let (platform, connection) = (login.device.platform, login.connection);
        let mut kicked = None;
        let lift = self.lift;
        let found = self.step(
            user,
            at,
            true,
            |record, context| match record.user.log_in(login, context) {
                Ok(done) => {
                    kicked = Some(done.kicked);
                    let answer = LoggedIn {
                        session: done.session,
                        presence: shown(record.user.presence(), lift),
                        kept_version: record.user.presence().version,
                        generation: record.list.generation(),
                        restorable: record.list.is_restorable(),
                        subscriptions: record.list.ids().collect(),
                    };
                    ((Answer::LoggedIn(Box::new(answer)), done.ended), done.changed)
                }
                Err(refusal) => ((Answer::LoginRefused(refusal), Vec::new()), false),
            },
            |engine, (answer, ended)| {
                if is_new && matches!(answer, Answer::LoginRefused(_)) {
                    engine.unmake(user, at);
                }
                engine.answer(tag, answer);
                engine.end_all(user, ended);
            },
        );
        if !found {
            self.answer(tag, Answer::Unavailable);
        }
        if let Some(kicked) = kicked {
            self.happened(user, platform, Some(connection), Happening::LoggedIn { kicked });
        }
    }

    pub(super) fn leave(
        &mut self,
        user: UserKey,
        session: SessionId,
        connection: ConnectionId,
        how: Departure,
        at: Now,
        tag: Option<Tag>,
    ) {
        let mut gone = None;
        let found = self.step(
            user,
            at,
            true,
            |record, context| {
                let user = &mut record.user;
                let platform = user.platform_of(session, connection);
                let (changed, what) = match how {
                    Departure::LogOut => (user.log_out(session, connection, context), Happening::LoggedOut),
                    Departure::Lost(loss) => (
                        user.lose(session, connection, loss, context),
                        Happening::Lost(loss),
                    ),
                };
                // In grace it may come back as if nothing had happened.
                gone = platform
                    .filter(|_| !user.is_in_grace(session))
                    .map(|platform| (platform, what));
                ((), changed)
            },
            |engine, ()| engine.answer(tag, Answer::Done),
        );
        if !found {
            self.answer(tag, Answer::Done);
        }
        if let Some((platform, what)) = gone {
            self.happened(user, platform, Some(connection), what);
        }
    }

    pub(super) fn set_custom(
        &mut self,
        user: UserKey,
        session: SessionId,
        connection: ConnectionId,
        custom: CustomStatus,
        at: Now,
        tag: Option<Tag>,
    ) {
        let mut set = None;
        let found = self.step(
            user,
            at,
            false,
            |record, context| {
                let Some(platform) = record.user.platform_of(session, connection) else {
                    return (Answer::Stale, false);
                };
                let text = custom.clone();
                let changed = record.user.set_custom_status(custom, context);
                set = changed.then_some((platform, text));
                (Answer::Done, changed)
            },
            |engine, answer| engine.answer(tag, answer),
        );
        if !found {
            self.answer(tag, Answer::Stale);
        }
        if let Some((platform, text)) = set {
            self.happened(user, platform, Some(connection), Happening::CustomStatus(text));
        }
    }

    /// `Done`, unless a kick revoked a UserSig made at that second (R8.7).
    pub(super) fn unless_revoked(&self, user: &UserKey, signed_at_s: i64) -> Answer {
        let revoked = match self.records.of(user) {
            Some(record) => record.user.is_revoked(signed_at_s),
            // R1.5: a deletion revokes, too. An administrator need not be an account.
            None => {
                let mark = self.marks.get(user);
                mark.is_some_and(|mark| mark.is_revoked(signed_at_s))
            }
        };
        if revoked {
            Answer::LoginRefused(LoginRefusal::Revoked)
        } else {
            Answer::Done
        }
    }

    /// R8.8.
    pub(super) fn log_out_late(&mut self, key: UserKey, login: &Login, at: Now, tag: Option<Tag>) {
        let mut known = false;
        let found = self.step(
            key,
            at,
            true,
            |record, context| match record.user.log_out_late(login, context) {
                Ok(left) => {
                    known = left.was_known;
                    ((Answer::Done, left.ended), left.changed)
                }
                Err(refusal) => ((Answer::LoginRefused(refusal), Vec::new()), false),
            },
            |engine, (answer, ended)| {
                engine.answer(tag, answer);
                engine.end_all(key, ended);
            },
        );
        if !found {
            let answer = self.unless_revoked(&key, login.signed_at_s);
            // R1.2: an earlier start knew the user, and some may wait for word of it (R2.9).
            let is_forgotten =
                answer == Answer::Done && login.resumes.is_some() && !self.marks.contains_key(&key);
            self.answer(tag, answer);
            if is_forgotten {
                self.register(key, at);
            }
        }
        if known {
            let connection = Some(login.connection);
            self.happened(key, login.device.platform, connection, Happening::LoggedOut);
        }
    }

    /// Ends all sessions of a user (R8.7).
    pub(super) fn kick(&mut self, key: UserKey, at: Now, tag: Option<Tag>) {
        self.advance_user(key, at);
        let live: Vec<(Platform, Option<ConnectionId>)> = self
            .records
            .of(&key)
            .map(|record| record.user.live_devices().collect())
            .unwrap_or_default();
        let found = self.step(
            key,
            at,
            true,
            |record, context| record.user.kick(context),
            |engine, ended| {
                engine.answer(tag, Answer::Done);
                engine.end_all(key, ended);
            },
        );
        if !found {
            self.answer(tag, Answer::Done);
        }
        for (platform, connection) in live {
            self.happened(key, platform, connection, Happening::LoggedOut);
        }
    }

    /// Sessions in grace and lost ones have nobody to be told.
    pub(super) fn end_all(&mut self, user: UserKey, ended: Vec<Ended>) {
        let connected = ended.into_iter().filter(|ended| ended.connection.is_some());
        self.outputs
            .extend(connected.map(|ended| Output::Ended { user, ended }));
    }

    /// R10.1.
    pub(super) fn happened(
        &mut self,
        user: UserKey,
        platform: Platform,
        connection: Option<ConnectionId>,
        what: Happening,
    ) {
        self.outputs.push_back(Output::Happened {
            user,
            platform,
            connection,
            what,
        });
    }
}
