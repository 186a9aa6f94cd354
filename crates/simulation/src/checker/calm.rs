//! A calm moment: everything is mended and has settled, every device was asked what it has and sees, and the answers must
//! agree with each other and with what the devices were told.

use std::collections::{BTreeMap, BTreeSet};

use presence::status::Status;
use presence_client::Outcome;
use presence_protocol::errors::code;
use presence_protocol::message::UserStatus;

use super::{Checker, Invariant, brief};
use crate::scenario::{ACTIVE_USERS, DeviceIndex, OBSERVER, UserIndex};

/// The answers of one device to the questions of a calm moment.
#[derive(Debug, Default)]
pub struct Answers {
    /// As whom it is logged in.
    pub user: UserIndex,
    /// Its subscriptions.
    pub list: Option<Outcome>,
    /// Everybody's status.
    pub query: Option<Outcome>,
}

impl Checker {
    /// Everything is mended and has settled: all devices that are logged in have answered.
    pub fn check_calm(&mut self, answers: &BTreeMap<DeviceIndex, Answers>, at_ms: u64) {
        let mut truth: BTreeMap<String, UserStatus> = BTreeMap::new();
        let mut lists: BTreeMap<UserIndex, (DeviceIndex, Vec<String>)> = BTreeMap::new();
        for (device, answer) in answers {
            let (Some(query), Some(list)) = (answered(&answer.query), answered(&answer.list)) else {
                let what = format!(
                    "d{device}: no answer in calm: {:?} {:?}",
                    answer.query.as_ref().map(|outcome| outcome.code),
                    answer.list.as_ref().map(|outcome| outcome.code)
                );
                self.violated(Invariant::OneResult, at_ms, what);
                continue;
            };
            let list: Vec<String> = list.iter().map(|status| status.user_id.clone()).collect();
            self.check_list(*device, answer.user, &list, at_ms);
            let (first, same) = lists
                .entry(answer.user)
                .or_insert_with(|| (*device, list.clone()));
            if *same != list {
                let what = format!("d{first} has the list {same:?}, d{device} has {list:?}");
                self.violated(Invariant::Lists, at_ms, what);
            }
            for status in query {
                self.check_unchanging(*device, status, at_ms);
                let known = truth
                    .entry(status.user_id.clone())
                    .or_insert_with(|| status.clone());
                if known != status {
                    let what = format!("two answers: {known:?} and {status:?}");
                    self.violated(Invariant::FinalState, at_ms, what);
                }
            }
            self.check_told(*device, answer.user, &list, query, at_ms);
        }
        for (user, id) in self.users.clone().iter().enumerate() {
            let Some(status) = truth.get(id) else { continue };
            self.check_custom(OBSERVER, status, at_ms);
            let is_online = status.status == Status::Online.number();
            let here: Vec<DeviceIndex> = answers
                .iter()
                .filter(|(_, answer)| answer.user == user)
                .map(|(device, _)| *device)
                .collect();
            if is_online && here.is_empty() {
                let what = format!("{id} is ONLINE and has no device: {status:?}");
                self.violated(Invariant::NoGhost, at_ms, what);
            }
            if !is_online && !here.is_empty() {
                let what = format!("{id} is not ONLINE, and logged in on {here:?}: {status:?}");
                self.violated(Invariant::NoFalseOffline, at_ms, what);
            }
        }
        self.settled = truth;
    }

    fn check_list(&mut self, device: DeviceIndex, user: UserIndex, list: &[String], at_ms: u64) {
        let distinct: BTreeSet<&String> = list.iter().collect();
        let is_bad = list.len() > self.subscriptions_max
            || distinct.len() != list.len()
            || list.contains(&self.users[user]);
        if is_bad {
            let what = format!("d{device}: the list of {} is {list:?}", self.users[user]);
            self.violated(Invariant::Lists, at_ms, what);
        }
        if device == OBSERVER && self.observer_subscribed && list.len() + 1 < ACTIVE_USERS {
            let what = format!("d{device} subscribed to everybody, and its list is {list:?}");
            self.violated(Invariant::Restored, at_ms, what);
        }
    }

    fn check_told(
        &mut self,
        device: DeviceIndex,
        user: UserIndex,
        list: &[String],
        query: &[UserStatus],
        at_ms: u64,
    ) {
        for truth in query {
            let is_own = self.users[user] == truth.user_id;
            let is_friend = self
                .friends
                .get(&user)
                .is_some_and(|friends| friends.iter().any(|friend| self.users[*friend] == truth.user_id));
            // Whom there is no account of, there is nothing to tell of.
            if truth.code != code::OK || !(is_own || is_friend || list.contains(&truth.user_id)) {
                continue;
            }
            let told = self.views[device].told.get(&truth.user_id);
            let same = told.is_some_and(|told| {
                // A crash of a server with a store raises versions and nothing else, which nobody is told (R6.6).
                let raised = self.has_store && told.version < truth.version;
                (told.version == truth.version || raised)
                    && (told.status, &told.custom_status) == (truth.status, &truth.custom_status)
            });
            if same {
                continue;
            }
            let invariant = if is_own {
                Invariant::OwnStatus
            } else {
                Invariant::FinalState
            };
            let told = told.map_or("nothing".to_owned(), brief);
            let what = format!(
                "d{device} was last told of {}: {told}; a query answers {}",
                truth.user_id,
                brief(truth)
            );
            self.violated(invariant, at_ms, what);
        }
    }
}

fn answered(outcome: &Option<Outcome>) -> Option<&[UserStatus]> {
    outcome
        .as_ref()
        .filter(|outcome| outcome.code == code::OK)
        .map(|outcome| outcome.users.as_slice())
}
