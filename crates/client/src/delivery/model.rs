//! The delivery's threads under loom: the real code, in every order in which its threads can meet (up to a number of
//! preemptions). Run by `make loom`; nothing here is compiled otherwise.
//!
//! Each model plays the session, whoever runs the consumer, and a destroy that waits; then it checks what
//! docs/C_API.md promises: each result once; each listener freed once, after its last call; nothing called or kept once
//! destroy returned. A wake-up that is lost is a deadlock, which loom reports.

use std::sync::Arc;
use std::time::Duration;

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use presence::ids::UserId;
use presence_protocol::errors::code;
use presence_protocol::message::UserStatus;
use tokio::sync::Notify;

use super::queue::Item;
use super::shared::{self, SharedThread};
use super::sync::lock;
use super::{Outlet, Waker, poll, thread as own_thread};
use crate::api::{Listener, Outcome};

/// Runs `model` in every order that has at most so many preemptions; each more multiplies the time.
fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let orders = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&orders);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 100_000;
    builder.check(move || {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        model();
    });
    let orders = orders.load(std::sync::atomic::Ordering::Relaxed);
    println!("{orders} orders");
    assert!(
        orders > 500,
        "that are too few for the threads to have met in earnest: {orders}"
    );
}

/// What became of something of the application's. Loom's atomics, so that other threads run in the midst of a callback
/// or a free; relaxed, so that what destroy's caller sees it sees because destroy returned, and for no other reason.
#[derive(Default)]
struct Fate {
    calls: AtomicUsize,
    freed: AtomicUsize,
    /// The version last told.
    told: AtomicUsize,
}

impl Fate {
    fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    fn freed(&self) -> usize {
        self.freed.load(Ordering::Relaxed)
    }
}

/// Something of the application's: counts its calls and its end.
struct Belonging(Arc<Fate>);

impl Belonging {
    fn call(&self) {
        self.0.calls.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Belonging {
    fn drop(&mut self) {
        self.0.freed.fetch_add(1, Ordering::Relaxed);
    }
}

/// The application of one client: two listeners, one after the other, and a result.
#[derive(Default)]
struct App {
    first: Arc<Fate>,
    second: Arc<Fate>,
    result: Arc<Fate>,
}

impl App {
    fn listener(fate: &Arc<Fate>) -> Item {
        let belonging = Belonging(Arc::clone(fate));
        Item::Listen(Listener::StatusChanged(Box::new(move |changes| {
            belonging.call();
            if let Some(last) = changes.last() {
                belonging.0.told.store(last.version as usize, Ordering::Relaxed);
            }
        })))
    }

    /// All that the session says, in three steps.
    fn tell(&self, outlet: &Arc<Outlet>) {
        let belonging = Belonging(Arc::clone(&self.result));
        let completion = Box::new(move |_| belonging.call());
        outlet.push_all(&mut vec![App::listener(&self.first), change(1)]);
        outlet.push_all(&mut vec![
            App::listener(&self.second),
            change(2),
            Item::Result(completion, Outcome::of(code::OK)),
        ]);
        outlet.push_all(&mut vec![Item::End]);
    }

    /// What must hold as soon as destroy returned.
    fn check_ended(&self) {
        assert_eq!((self.result.calls(), self.result.freed()), (1, 1), "the result");
        // The first change may have been merged into the second, which is the second listener's.
        assert!(self.first.calls() <= 1);
        assert_eq!(self.first.freed(), 1, "the first listener");
        assert_eq!(
            (self.second.calls(), self.second.freed()),
            (1, 1),
            "the second listener"
        );
        assert_eq!(self.second.told.load(Ordering::Relaxed), 2);
    }
}

fn change(version: u64) -> Item {
    let user = UserId::new("bob").expect("a user id");
    let status = UserStatus {
        user_id: "bob".to_owned(),
        version,
        ..UserStatus::default()
    };
    Item::Change(user, status)
}

fn bell() -> Arc<Notify> {
    Arc::new(Notify::new())
}

#[test]
fn on_its_own_thread_everything_is_told_and_freed_before_destroy_returns() {
    check(4, || {
        let outlet = Arc::new(Outlet::new(Waker::Thread, bell()));
        let app = Arc::new(App::default());
        let callbacks = thread::spawn({
            let outlet = Arc::clone(&outlet);
            move || own_thread::run(&outlet)
        });
        let session = thread::spawn({
            let (outlet, app) = (Arc::clone(&outlet), Arc::clone(&app));
            move || app.tell(&outlet)
        });
        assert!(outlet.await_end(None));
        app.check_ended();
        callbacks.join().expect("it ends");
        session.join().expect("it ends");
        app.check_ended();
    });
}

#[test]
fn a_poll_and_a_destroy_share_the_work_and_nothing_is_lost_between_them() {
    check(3, || {
        let outlet = poll::outlet(bell());
        let app = Arc::new(App::default());
        let poller = thread::spawn({
            let outlet = Arc::clone(&outlet);
            move || {
                // The last poll says so; one beside destroy is refused, and need not be tried again for this model.
                while poll::poll(&outlet, usize::MAX, Duration::MAX).is_ok() {}
            }
        });
        let session = thread::spawn({
            let (outlet, app) = (Arc::clone(&outlet), Arc::clone(&app));
            move || app.tell(&outlet)
        });
        assert!(poll::finish(&outlet, None));
        app.check_ended();
        poller.join().expect("it ends");
        session.join().expect("it ends");
        app.check_ended();
        let error = poll::poll(&outlet, 1, Duration::ZERO).expect_err("the client ended");
        assert_eq!(error.code, code::CLOSED);
    });
}

#[test]
fn a_wake_callback_is_neither_called_nor_kept_once_destroy_returned() {
    check(4, || {
        let outlet = poll::outlet(bell());
        let (first, second) = (Arc::new(Fate::default()), Arc::new(Fate::default()));
        let session = thread::spawn({
            let (outlet, first, second) = (Arc::clone(&outlet), Arc::clone(&first), Arc::clone(&second));
            move || {
                // As the session does it: replaced on its thread, the old one freed where callbacks run.
                for fate in [&first, &second] {
                    let belonging = Belonging(Arc::clone(fate));
                    let old = poll::set_wake_callback(&outlet, Some(Box::new(move || belonging.call())));
                    let discarded = old.map(|old| Item::Discard(Box::new(old)));
                    outlet.push_all(&mut discarded.into_iter().collect());
                }
                outlet.push_all(&mut vec![Item::End]);
            }
        });
        assert!(poll::finish(&outlet, None));
        let calls = (first.calls(), second.calls());
        assert_eq!((first.freed(), second.freed()), (1, 1));
        session.join().expect("it ends");
        assert_eq!(
            (first.calls(), second.calls()),
            calls,
            "called after destroy returned"
        );
    });
}

#[test]
fn on_the_shared_thread_each_client_has_its_turn_and_its_end() {
    check(3, || {
        let (thread, due) = SharedThread::played();
        let clients: Vec<(Arc<Outlet>, Arc<App>)> = (0..2)
            .map(|_| (thread.outlet(bell()), Arc::new(App::default())))
            .collect();
        let callbacks = thread::spawn(move || shared::take_turns(&due));
        let session = thread::spawn({
            let clients = clients.clone();
            move || {
                for (outlet, app) in &clients {
                    app.tell(outlet);
                }
            }
        });
        for (outlet, app) in &clients {
            assert!(outlet.await_end(None));
            app.check_ended();
        }
        session.join().expect("it ends");
        thread.stop_played();
        callbacks.join().expect("it ends");
        for (outlet, app) in clients {
            app.check_ended();
            // Nobody else keeps it: not the queue of turns either.
            assert_eq!(Arc::strong_count(&outlet), 1);
        }
    });
}

/// That the models can fail: something put in the queue without a wake-up is a deadlock that loom finds.
#[test]
#[should_panic(expected = "deadlock")]
fn a_lost_wake_up_would_be_found() {
    check(4, || {
        let outlet = Arc::new(Outlet::new(Waker::Thread, bell()));
        let callbacks = thread::spawn({
            let outlet = Arc::clone(&outlet);
            move || own_thread::run(&outlet)
        });
        lock(&outlet.queue).push(Item::End);
        callbacks.join().expect("it ends");
    });
}

/// That they can fail, once more: who counts as gone before its things are freed is found out.
#[test]
#[should_panic(expected = "the second listener")]
fn an_end_that_is_said_too_early_would_be_found() {
    check(4, || {
        let outlet = Arc::new(Outlet::new(Waker::Thread, bell()));
        let app = Arc::new(App::default());
        let callbacks = thread::spawn({
            let outlet = Arc::clone(&outlet);
            move || own_thread::run(&outlet)
        });
        app.tell(&outlet);
        // Instead of `await_end`: the queue is empty, so all was told; but not all was freed yet.
        while !outlet.is_empty() {
            thread::yield_now();
        }
        app.check_ended();
        callbacks.join().expect("it ends");
    });
}
