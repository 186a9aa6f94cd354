//! Accounts as a backend sees them: described, listed a part at a time, counted.

use presence::ids::{AppId, UserId, UserKey};
use presence::status::Status;

use super::{MemoryEngine, Record};
use crate::engine::{Account, AccountFilter, AccountPage, Detail};

/// Records looked at for one part of a list: about 0.1 ms, so that listing a million accounts delays nobody.
const RECORDS_AT_ONCE: u32 = 500;

impl MemoryEngine {
    /// The status of an account of this app became `after`; `None`: it is no account.
    pub(super) fn count_status(&mut self, app: AppId, before: Option<Status>, after: Option<Status>) {
        if before == after {
            return;
        }
        let counts = self.counts.entry(app).or_default();
        if let Some(before) = before {
            *counts.of(before) -= 1;
        }
        if let Some(after) = after {
            *counts.of(after) += 1;
        }
    }

    pub(super) fn describe(&self, app: AppId, users: &[UserId], detail: Detail) -> Vec<Option<Account>> {
        users
            .iter()
            .map(|user| {
                let record = self.records.of(&UserKey { app, user: *user })?;
                let (subscriptions, friends) = match detail {
                    Detail::Devices => (Vec::new(), Vec::new()),
                    Detail::Lists => (record.list.ids().collect(), record.friends.to_vec()),
                };
                Some(Account {
                    snapshot: record.snapshot(self.lift),
                    devices: record.user.devices(),
                    subscriptions,
                    friends,
                })
            })
            .collect()
    }

    pub(super) fn list(&self, app: AppId, filter: AccountFilter, from: u32, count_max: usize) -> AccountPage {
        let mut accounts = Vec::new();
        let end = self.records.places_len();
        let mut place = from;
        while place < end {
            if accounts.len() >= count_max || place - from >= RECORDS_AT_ONCE {
                return AccountPage {
                    accounts,
                    next: Some(place),
                };
            }
            if let Some(record) = self.records.at(place)
                && record.key.app == app
                && meets(record, filter)
            {
                accounts.push((record.key.user, record.snapshot(self.lift)));
            }
            place += 1;
        }
        AccountPage { accounts, next: None }
    }
}

fn meets(record: &Record, filter: AccountFilter) -> bool {
    let AccountFilter {
        contains,
        status,
        watches,
    } = filter;
    status.is_none_or(|status| record.user.presence().status == status)
        && contains.is_none_or(|text| record.key.user.as_str().contains(text.as_str()))
        && watches.is_none_or(|user| record.list.contains(&user) || record.friends.contains(&user))
}
