//! Failed logins, counted by account: too many in a while ⇒ 70050 for as long (R8.9). The table is bounded.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use presence::ids::UserKey;
use presence::time::Mono;

/// Accounts remembered at once. When there are more, the account whose first failure is oldest is forgotten: whoever
/// guesses at a hundred thousand accounts is held back at none of them, but costs no memory either.
pub(crate) const ACCOUNTS_MAX: usize = 100_000;

/// See the module.
pub(crate) struct LoginFailures {
    failures_max: usize,
    window: Duration,
    accounts: HashMap<UserKey, VecDeque<Mono>>,
    /// By their entry into the table.
    order: VecDeque<UserKey>,
}

impl LoginFailures {
    /// `failures_max` in `window` close an account's door for `window`. 0 failures: the door is always open.
    pub(crate) fn new(failures_max: usize, window: Duration) -> LoginFailures {
        LoginFailures {
            failures_max,
            window,
            accounts: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// For how long a login of `user` is refused yet, if it is.
    pub(crate) fn refused_for(&self, user: &UserKey, now: Mono) -> Option<Duration> {
        let failures = self.accounts.get(user)?;
        if failures.len() < self.failures_max {
            return None;
        }
        let open_again = failures.back()?.after(self.window);
        (now < open_again).then(|| open_again.since(now))
    }

    /// A login of `user` failed. Not to be called for one that was refused by [`LoginFailures::refused_for`].
    pub(crate) fn record(&mut self, user: UserKey, now: Mono) {
        if self.failures_max == 0 {
            return;
        }
        if !self.accounts.contains_key(&user) {
            self.forget_old(now);
            self.order.push_back(user);
        }
        let failures = self.accounts.entry(user).or_default();
        if failures.len() >= self.failures_max {
            // The door was closed and is open again.
            failures.clear();
        }
        while failures
            .front()
            .is_some_and(|first| now.since(*first) >= self.window)
        {
            failures.pop_front();
        }
        failures.push_back(now);
    }

    fn forget_old(&mut self, now: Mono) {
        while let Some(user) = self.order.front() {
            let is_old = self
                .accounts
                .get(user)
                .and_then(|failures| failures.back())
                .is_none_or(|last| now.since(*last) >= self.window);
            if !is_old && self.order.len() < ACCOUNTS_MAX {
                break;
            }
            self.accounts.remove(user);
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use presence::ids::{AppId, UserId};

    use super::*;

    fn user(name: &str) -> UserKey {
        UserKey {
            app: AppId::new(1).expect("not 0"),
            user: UserId::new(name).expect("well-formed"),
        }
    }

    fn table() -> LoginFailures {
        LoginFailures::new(3, Duration::from_millis(1_000))
    }

    #[test]
    fn the_door_closes_after_so_many_failures_and_opens_after_the_window_r8_9() {
        let mut failures = table();
        for at in [0, 100, 200] {
            assert_eq!(failures.refused_for(&user("a"), Mono(at)), None);
            failures.record(user("a"), Mono(at));
        }
        assert_eq!(
            failures.refused_for(&user("a"), Mono(300)),
            Some(Duration::from_millis(900))
        );
        assert_eq!(failures.refused_for(&user("b"), Mono(300)), None);
        assert_eq!(failures.refused_for(&user("a"), Mono(1_200)), None);
        failures.record(user("a"), Mono(1_200));
        assert_eq!(
            failures.refused_for(&user("a"), Mono(1_201)),
            None,
            "a closed door begins anew"
        );
    }

    #[test]
    fn failures_further_apart_than_the_window_do_not_add_up() {
        let mut failures = table();
        for at in [0, 600, 1_200, 1_800] {
            failures.record(user("a"), Mono(at));
            assert_eq!(failures.refused_for(&user("a"), Mono(at)), None);
        }
    }

    #[test]
    fn the_table_does_not_grow_past_its_bound_nor_keep_what_is_over() {
        let mut failures = table();
        for number in 0..ACCOUNTS_MAX + 10 {
            failures.record(user(&number.to_string()), Mono(0));
        }
        assert_eq!(failures.accounts.len(), ACCOUNTS_MAX);
        assert_eq!(failures.order.len(), ACCOUNTS_MAX);
        failures.record(user("late"), Mono(5_000));
        assert_eq!(failures.accounts.len(), 1);
    }
}
