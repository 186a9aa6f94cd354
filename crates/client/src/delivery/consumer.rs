//! The application's side of the queue: holds its listeners and calls them, one thing at a time. Whoever has the
//! consumer in hand is the delivery's thread of that moment; no lock is held while application code runs.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::ThreadHook;
use super::queue::{Item, Popped};
use crate::api::{
    Completion, ConnectionStateFn, KickedOfflineFn, Listener, ListenerKind, LogFn, LogLevel, Outcome,
    StatusChangedFn, SubscriptionsEvictedFn, UserSigExpiredFn,
};
use crate::visible::Visible;

/// What running one thing came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ran {
    /// Application code was called.
    Callback,
    /// Something was put in its place, or nobody listens.
    Quietly,
    /// Application code panicked: the client has failed.
    Panicked,
    /// That was the last.
    Ended,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Consumer {
    status_changed: Option<StatusChangedFn>,
    connection_state: Option<ConnectionStateFn>,
    kicked_offline: Option<KickedOfflineFn>,
    user_sig_expired: Option<UserSigExpiredFn>,
    subscriptions_evicted: Option<SubscriptionsEvictedFn>,
    log: Option<(LogLevel, LogFn)>,
    hook: Option<ThreadHook>,
    closed: Option<Box<dyn FnOnce() + Send>>,
}

impl Consumer {
    /// Does what `popped` says. A panic of application code stops here.
    pub(crate) fn run(&mut self, popped: Popped, visible: &Visible) -> Ran {
        catch_unwind(AssertUnwindSafe(|| self.call(popped, visible))).unwrap_or(Ran::Panicked)
    }

    fn call(&mut self, popped: Popped, visible: &Visible) -> Ran {
        let item = match popped {
            Popped::Changes(changes) => {
                return called(self.status_changed.as_mut(), |listener| listener(&changes));
            }
            Popped::Item(item) => item,
        };
        match item {
            Item::Result(completion, outcome) => {
                let _kept = KeptOnDrop(visible);
                deliver(completion, outcome);
                Ran::Callback
            }
            Item::Change(_, status) => called(self.status_changed.as_mut(), |listener| listener(&[status])),
            Item::Connection(state, code, text) => called(self.connection_state.as_mut(), |listener| {
                listener(state, code, &text)
            }),
            Item::Kicked(code, text) => {
                called(self.kicked_offline.as_mut(), |listener| listener(code, &text))
            }
            Item::Expired => called(self.user_sig_expired.as_mut(), |listener| listener()),
            Item::Evicted(ids) => called(self.subscriptions_evicted.as_mut(), |listener| listener(&ids)),
            Item::Log(level, text) => match &mut self.log {
                Some((least, listener)) if level >= *least => {
                    listener(level, &text);
                    Ran::Callback
                }
                _ => Ran::Quietly,
            },
            Item::Listen(listener) => {
                let _kept = KeptOnDrop(visible);
                self.listen(listener);
                Ran::Quietly
            }
            Item::Unlisten(kind) => {
                let _kept = KeptOnDrop(visible);
                self.unlisten(kind);
                Ran::Quietly
            }
            Item::Hook(hook) => {
                let _kept = KeptOnDrop(visible);
                self.change_hook(hook);
                Ran::Quietly
            }
            Item::Discard(thing) => {
                let _kept = KeptOnDrop(visible);
                drop(thing);
                Ran::Quietly
            }
            Item::Closed(closed) => {
                self.closed = Some(closed);
                Ran::Quietly
            }
            Item::End => Ran::Ended,
        }
    }

    /// Lets go of everything of the application's, then says so. Nothing may be run after.
    pub(crate) fn close(mut self) {
        let hook = self.hook.take();
        let closed = self.closed.take();
        // Each apart, so that a panic in one of the application's destructors does not keep the others.
        for kind in ALL_KINDS {
            contained(|| self.unlisten(kind));
        }
        if let Some(closed) = closed {
            contained(closed);
        }
        if let Some(hook) = hook {
            contained(move || hook(false));
        }
    }

    fn listen(&mut self, listener: Listener) {
        match listener {
            Listener::StatusChanged(listener) => drop(self.status_changed.replace(listener)),
            Listener::ConnectionState(listener) => drop(self.connection_state.replace(listener)),
            Listener::KickedOffline(listener) => drop(self.kicked_offline.replace(listener)),
            Listener::UserSigExpired(listener) => drop(self.user_sig_expired.replace(listener)),
            Listener::SubscriptionsEvicted(listener) => drop(self.subscriptions_evicted.replace(listener)),
            Listener::Log(level, listener) => drop(self.log.replace((level, listener))),
        }
    }

    fn unlisten(&mut self, kind: ListenerKind) {
        match kind {
            ListenerKind::StatusChanged => drop(self.status_changed.take()),
            ListenerKind::ConnectionState => drop(self.connection_state.take()),
            ListenerKind::KickedOffline => drop(self.kicked_offline.take()),
            ListenerKind::UserSigExpired => drop(self.user_sig_expired.take()),
            ListenerKind::SubscriptionsEvicted => drop(self.subscriptions_evicted.take()),
            ListenerKind::Log => drop(self.log.take()),
        }
    }

    /// The old hook sees its thread end, the new one sees it start.
    fn change_hook(&mut self, hook: Option<ThreadHook>) {
        if let Some(old) = self.hook.take() {
            old(false);
        }
        if let Some(new) = &hook {
            new(true);
        }
        self.hook = hook;
    }
}

const ALL_KINDS: [ListenerKind; 6] = [
    ListenerKind::StatusChanged,
    ListenerKind::ConnectionState,
    ListenerKind::KickedOffline,
    ListenerKind::UserSigExpired,
    ListenerKind::SubscriptionsEvicted,
    ListenerKind::Log,
];

/// A promise counts as kept when the callback returned, even by a panic.
struct KeptOnDrop<'a>(&'a Visible);

impl Drop for KeptOnDrop<'_> {
    fn drop(&mut self) {
        self.0.kept();
    }
}

fn deliver(completion: Completion, outcome: Outcome) {
    completion(outcome);
}

fn called<L: ?Sized>(listener: Option<&mut Box<L>>, call: impl FnOnce(&mut L)) -> Ran {
    match listener {
        Some(listener) => {
            call(listener);
            Ran::Callback
        }
        None => Ran::Quietly,
    }
}

fn contained(call: impl FnOnce()) {
    // The client is closing: there is nobody left to tell of a panic in the application's code.
    drop(catch_unwind(AssertUnwindSafe(call)));
}
