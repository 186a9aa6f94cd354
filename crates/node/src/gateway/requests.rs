//! The requests of a logged-in connection: checked in the order of R7.1, then given to the engine. What becomes of them
//! is in `answers` and `lists`.

use std::collections::HashSet;

use presence::gates::Call;
use presence::ids::{AppId, ConnectionId, UserId, UserKey};
use presence::settings::AppSettings;
use presence::status::CustomStatus;
use presence_protocol::errors::code;
use presence_protocol::message::{Request, StatusRef, UsersReply};

use super::connection::{Phase, Session};
use super::login::expiry_of;
use super::pending::{Asker, Named, Pending};
use super::replies::of_code;
use super::texts;
use crate::engine::{Command, Departure};
use crate::event_loop::Loop;
use crate::hub::fanout::reasons_told;
use crate::hub::watchers::Reasons;
use crate::slab::Id;
use crate::transport::Transport;

/// Restores that one login may ask for: the one of R5.8, and a few more for a client that was told that the engine could
/// not say whether it was carried out.
const RESTORES_PER_LOGIN_MAX: u8 = 4;

impl<T: Transport> Loop<T> {
    /// A request of an open session.
    pub(crate) fn request_of(&mut self, id: Id, session: Session, request_id: u64, request: Request) {
        let asker = Asker {
            connection: id,
            request_id,
        };
        let Some(user) = self.hub.locals.get(session.local).map(|user| user.key) else {
            return;
        };
        let Some(settings) = self.apps.get(&user.app).map(|app| app.settings.clone()) else {
            return;
        };
        match request {
            Request::Logout => {
                let leave = Command::Leave {
                    user,
                    session: session.id,
                    connection: ConnectionId(id.to_bits()),
                    how: Departure::LogOut,
                };
                self.ask(Pending::LogOut(asker), leave);
            }
            Request::RenewUserSig { user_sig } => self.renew(asker, user, &user_sig),
            // R3.4: neither plan nor switch nor rate stands before it.
            Request::SetSelfStatus { custom_status } => {
                match CustomStatus::new(&custom_status, settings.custom_status_bytes_max) {
                    Ok(custom) => {
                        let connection = ConnectionId(id.to_bits());
                        let set = Command::SetCustom {
                            user,
                            session: session.id,
                            connection,
                            custom,
                        };
                        self.ask(Pending::SetCustom(asker), set);
                    }
                    Err(why) => self.reply(id, texts::custom_status_refused(request_id, why)),
                }
            }
            Request::GetUserStatus { user_ids } => {
                self.call_of(id, session, request_id, Call::Query, &borrowed(&user_ids));
            }
            Request::Subscribe { user_ids } => {
                self.call_of(id, session, request_id, Call::Subscribe, &borrowed(&user_ids));
            }
            Request::Unsubscribe { user_ids } => {
                self.call_of(id, session, request_id, Call::Unsubscribe, &borrowed(&user_ids));
            }
            Request::GetSubscriptions => {
                let with_status = reasons_told(&settings).meets(Reasons::SUBSCRIBER);
                self.ask(
                    Pending::List {
                        asker,
                        user,
                        with_status,
                    },
                    Command::ListSubscriptions { user },
                );
            }
            Request::GetFriends => {
                let with_status = !reasons_told(&settings).is_empty();
                self.ask(
                    Pending::List {
                        asker,
                        user,
                        with_status,
                    },
                    Command::ListFriends { user },
                );
            }
            Request::RestoreSubscriptions {
                list_generation,
                user_ids,
            } => {
                self.restore(asker, user, list_generation, &user_ids, &settings);
            }
            Request::Unknown | Request::Login(_) => {
                let why = "this server does not know this request".to_owned();
                self.reply(
                    id,
                    texts::refused_because(request_id, code::INTERFACE_NOT_SUPPORTED, why),
                );
            }
        }
    }

    /// A call on users, of an open session: R7.1 from the plan to the rate, then each id.
    pub(crate) fn call_of(
        &mut self,
        id: Id,
        session: Session,
        request_id: u64,
        call: Call,
        user_ids: &[&str],
    ) {
        let asker = Asker {
            connection: id,
            request_id,
        };
        let Some(local) = self.hub.locals.get_mut(session.local) else {
            return;
        };
        let user = local.key;
        let Some(app) = self.apps.get(&user.app) else {
            return;
        };
        let admitted = local
            .gates
            .admit(call, &user.user, user_ids, self.now.mono, &app.settings);
        let ids = match admitted {
            Ok(ids) => ids,
            Err(refusal) => {
                self.reply(id, texts::gate_refused(request_id, refusal));
                return;
            }
        };
        if call == Call::Query && self.query_now(asker, user.app, &ids) {
            return;
        }
        let named = ids.into_iter().map(named).collect();
        match call {
            Call::Query => self.query(asker, user, named),
            Call::Subscribe => self.subscribe(asker, user, named),
            Call::Unsubscribe => self.unsubscribe(asker, user, named),
        }
    }

    /// A query whose users the engine has at hand: what they show is encoded where it is kept. False: nothing was done.
    fn query_now(&mut self, asker: Asker, app: AppId, names: &[&str]) -> bool {
        let mut room = std::mem::take(&mut self.reply_room);
        let mut users = UsersReply::begin(&mut room);
        let mut asked = names.iter();
        let is_done = self
            .engine
            .look_now(self.now, app, names, &mut |sight| match (asked.next(), sight) {
                (_, Some(seen)) => users.found(seen.user, seen.presence, seen.version, seen.platforms),
                (Some(name), None) => users.failed(name, code_without_account(name)),
                (None, None) => {}
            });
        if is_done {
            let code = users.code();
            let frame = users.frame(&of_code(asker.request_id, code));
            self.send_reply_frame(asker, code, frame);
        }
        if room.len() <= REPLY_ROOM_BYTES_KEPT {
            self.reply_room = room;
        }
        is_done
    }

    fn query(&mut self, asker: Asker, user: UserKey, named: Vec<Named>) {
        let users = users_of(&named);
        if users.is_empty() {
            self.reply_per_user(asker, &refusals_of(&named));
            return;
        }
        self.ask(
            Pending::Query { asker, named },
            Command::Look { app: user.app, users },
        );
    }

    fn subscribe(&mut self, asker: Asker, user: UserKey, mut named: Vec<Named>) {
        for name in &mut named {
            // R5.4.
            if matches!(name, Named::User(id) if *id == user.user) {
                let id = user.user.as_str().to_owned();
                *name = Named::Refused {
                    id,
                    code: code::INVALID_PARAMETERS,
                };
            }
        }
        let users = users_of(&named);
        if users.is_empty() {
            self.reply_per_user(asker, &refusals_of(&named));
            return;
        }
        let held = self.hold_all(user, &users);
        let watch = Command::Watch {
            app: user.app,
            users,
            mention: true,
        };
        let pending = Pending::SubscribeWatch {
            asker,
            user,
            named,
            held,
        };
        self.ask(pending, watch);
    }

    fn unsubscribe(&mut self, asker: Asker, user: UserKey, named: Vec<Named>) {
        let ids = users_of(&named);
        let command = if named.is_empty() {
            Command::ClearSubscriptions { user }
        } else if ids.is_empty() {
            self.reply_per_user(asker, &refusals_of(&named));
            return;
        } else {
            Command::Unsubscribe { user, ids }
        };
        self.ask(Pending::Unsubscribe { asker, user, named }, command);
    }

    /// R5.8: neither plan nor switch nor rate stand before it, since it only puts back what was there.
    fn restore(
        &mut self,
        asker: Asker,
        user: UserKey,
        generation: u64,
        user_ids: &[String],
        settings: &AppSettings,
    ) {
        // Whatever came of the first, the list is not restorable at the generation of this login any more. So this is
        // what the answer would be, without the work: no rate stands before a restore, and nobody asks without end.
        if !self.may_restore(asker.connection) {
            self.reply(asker.connection, texts::not_restorable(asker.request_id));
            return;
        }
        let ids = restored_ids(&user.user, user_ids, settings.subscriptions_max);
        let held = self.hold_all(user, &ids);
        let watch = Command::Watch {
            app: user.app,
            users: ids.clone(),
            mention: false,
        };
        self.ask(
            Pending::RestoreWatch {
                asker,
                user,
                generation,
                ids,
                held,
            },
            watch,
        );
    }

    /// Takes one of the restores that a login has.
    fn may_restore(&mut self, id: Id) -> bool {
        let Some(connection) = self.connections.get_mut(id) else {
            return false;
        };
        let Phase::Open(session) = &mut connection.phase else {
            return false;
        };
        let is_left = session.restores < RESTORES_PER_LOGIN_MAX;
        session.restores = session.restores.saturating_add(1);
        is_left
    }

    fn renew(&mut self, asker: Asker, user: UserKey, user_sig: &str) {
        let Some(app) = self.apps.get(&user.app) else {
            return;
        };
        match self.check_user_sig(user_sig, &app.secret_key, &user) {
            Ok(checked) => {
                let pending = Pending::Renew {
                    asker,
                    expires: expiry_of(checked),
                };
                self.ask(
                    pending,
                    Command::CheckRevoked {
                        user,
                        signed_at_s: checked.signed_at_s,
                    },
                );
            }
            Err(refusal) => self.reply(asker.connection, texts::refused(asker.request_id, refusal.code())),
        }
    }

    /// Keeps this loop's interest in `users` while a request of `asker`'s user is in flight. Their places in the hub, in
    /// that order.
    fn hold_all(&mut self, user: UserKey, users: &[UserId]) -> Vec<Id> {
        users
            .iter()
            .map(|held| {
                self.hub.hold(UserKey {
                    app: user.app,
                    user: *held,
                })
            })
            .collect()
    }
}

/// Room for replies that a loop keeps: for 500 users with the longest ids and custom statuses of the default length.
const REPLY_ROOM_BYTES_KEPT: usize = 256 * 1024;

/// R4.3, of a name that nobody has.
fn code_without_account(name: &str) -> i32 {
    match UserId::new(name) {
        Ok(_) => code::ACCOUNT_NOT_FOUND,
        Err(_) => code::INVALID_USER_ID,
    }
}

/// Whom a restore is about, oldest first, each once, without the user: the newest stay when there are too many. Takes a
/// look at each id at most, however many of a whole frame of them are the same.
fn restored_ids(user: &UserId, user_ids: &[String], ids_max: usize) -> Vec<UserId> {
    let mut seen = HashSet::new();
    let newest_first = user_ids.iter().rev().filter_map(|id| UserId::new(id).ok());
    let mut ids: Vec<UserId> = newest_first
        .filter(|id| id != user && seen.insert(*id))
        .take(ids_max)
        .collect();
    ids.reverse();
    ids
}

fn named(id: &str) -> Named {
    match UserId::new(id) {
        Ok(user) => Named::User(user),
        Err(_) => Named::Refused {
            id: id.to_owned(),
            code: code::INVALID_USER_ID,
        },
    }
}

/// Those to be asked about, in order.
pub(crate) fn users_of(named: &[Named]) -> Vec<UserId> {
    // Room for all of them at once: nearly every name is a user's.
    let mut users = Vec::with_capacity(named.len());
    users.extend(named.iter().filter_map(|name| match name {
        Named::User(user) => Some(*user),
        Named::Refused { .. } => None,
    }));
    users
}

fn refusals_of(named: &[Named]) -> Vec<StatusRef<'_>> {
    named
        .iter()
        .filter_map(|name| match name {
            Named::User(_) => None,
            Named::Refused { id, code } => Some(StatusRef::Plain {
                user_id: id,
                code: *code,
            }),
        })
        .collect()
}

fn borrowed(user_ids: &[String]) -> Vec<&str> {
    user_ids.iter().map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R5.8.
    #[test]
    fn a_restore_names_the_newest_each_once_and_not_the_user() {
        let id = |name: &str| UserId::new(name).expect("a user id");
        let given: Vec<String> = ["a", "b", "me", "a", "\u{7}", "c", "b"]
            .map(str::to_owned)
            .to_vec();
        assert_eq!(restored_ids(&id("me"), &given, 9), [id("a"), id("c"), id("b")]);
        assert_eq!(restored_ids(&id("me"), &given, 2), [id("c"), id("b")]);
        assert_eq!(restored_ids(&id("me"), &given, 0), []);
    }
}
