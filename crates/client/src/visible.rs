//! What any thread may ask of a client at once: written by the session, read by the application.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

use crate::api::{LogLevel, LoginState};

/// Takes a lock whose holder may have panicked: everything guarded in this crate is whole at every step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// No log record passes.
const LOG_OFF: u8 = u8::MAX;

/// The session as others see it.
#[derive(Debug)]
pub(crate) struct Visible {
    login_state: AtomicU8,
    login_user: Mutex<Option<String>>,
    /// Server's clock minus our monotonic clock, ms.
    clock_offset_ms: Mutex<Option<i64>>,
    log_level: AtomicU8,
    /// Results promised and not yet delivered, and listeners not yet in place.
    promised: AtomicUsize,
    /// The session was told that the network changed, and has not seen it yet.
    network_changed: AtomicBool,
    failed: AtomicBool,
}

impl Visible {
    pub(crate) fn new() -> Visible {
        Visible {
            login_state: AtomicU8::new(LoginState::LoggedOut as u8),
            login_user: Mutex::new(None),
            clock_offset_ms: Mutex::new(None),
            log_level: AtomicU8::new(LOG_OFF),
            promised: AtomicUsize::new(0),
            network_changed: AtomicBool::new(false),
            failed: AtomicBool::new(false),
        }
    }

    pub(crate) fn login_state(&self) -> LoginState {
        LoginState::from_number(self.login_state.load(Ordering::Acquire))
    }

    pub(crate) fn set_login_state(&self, state: LoginState) {
        self.login_state.store(state as u8, Ordering::Release);
    }

    /// A login was accepted and the session has not seen it yet: it is under way all the same.
    pub(crate) fn login_accepted(&self) {
        // A failure to exchange means that another state has the say; the session will decide.
        let _ = self.login_state.compare_exchange(
            LoginState::LoggedOut as u8,
            LoginState::LoggingIn as u8,
            Ordering::AcqRel,
            Ordering::Acquire,
        );
    }

    pub(crate) fn login_user(&self) -> Option<String> {
        lock(&self.login_user).clone()
    }

    pub(crate) fn set_login_user(&self, user: Option<String>) {
        *lock(&self.login_user) = user;
    }

    pub(crate) fn clock_offset_ms(&self) -> Option<i64> {
        *lock(&self.clock_offset_ms)
    }

    pub(crate) fn set_clock_offset_ms(&self, offset_ms: i64) {
        *lock(&self.clock_offset_ms) = Some(offset_ms);
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    pub(crate) fn set_failed(&self) {
        self.failed.store(true, Ordering::Release);
    }

    /// The network changed; false if the session has not seen the last such word yet, which says it all: nobody fills its
    /// memory by calling this in a loop.
    pub(crate) fn network_changes(&self) -> bool {
        !self.network_changed.swap(true, Ordering::AcqRel)
    }

    /// The session sees that the network changed. What changes from here on is news.
    pub(crate) fn network_change_seen(&self) {
        self.network_changed.store(false, Ordering::Release);
    }

    pub(crate) fn logs(&self, level: LogLevel) -> bool {
        level as u8 >= self.log_level.load(Ordering::Relaxed)
    }

    pub(crate) fn set_log_level(&self, level: Option<LogLevel>) {
        self.log_level
            .store(level.map_or(LOG_OFF, |level| level as u8), Ordering::Relaxed);
    }

    /// Takes room for one more result below `limit`; false if there is none.
    pub(crate) fn promise(&self, limit: usize) -> bool {
        self.promised
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |promised| {
                (promised < limit).then_some(promised + 1)
            })
            .is_ok()
    }

    /// A promise was kept.
    pub(crate) fn kept(&self) {
        self.promised.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_ends_at_the_limit_and_comes_back_when_a_promise_is_kept() {
        let visible = Visible::new();
        assert!(visible.promise(2) && visible.promise(2));
        assert!(!visible.promise(2));
        visible.kept();
        assert!(visible.promise(2));
    }

    #[test]
    fn a_change_of_the_network_is_news_once_until_it_is_seen() {
        let visible = Visible::new();
        assert!(visible.network_changes());
        assert!(!visible.network_changes());
        visible.network_change_seen();
        assert!(visible.network_changes());
    }

    #[test]
    fn an_accepted_login_shows_at_once_but_never_hides_a_session() {
        let visible = Visible::new();
        visible.login_accepted();
        assert_eq!(visible.login_state(), LoginState::LoggingIn);
        visible.set_login_state(LoginState::LoggedIn);
        visible.login_accepted();
        assert_eq!(visible.login_state(), LoginState::LoggedIn);
    }

    #[test]
    fn records_below_the_level_asked_for_do_not_pass() {
        let visible = Visible::new();
        assert!(!visible.logs(LogLevel::Error));
        visible.set_log_level(Some(LogLevel::Warn));
        assert!(
            visible.logs(LogLevel::Error) && visible.logs(LogLevel::Warn) && !visible.logs(LogLevel::Info)
        );
        visible.set_log_level(None);
        assert!(!visible.logs(LogLevel::Error));
    }
}
