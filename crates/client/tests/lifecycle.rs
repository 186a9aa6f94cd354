//! Real threads: where callbacks run, what outlives what, and that every promise is kept to the end
//! (docs/C_API.md, "Callbacks" and "Lifetime"). No server is needed for that: calls answer 6014.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::Duration;

use presence_client::{CallError, Client, Listener, ListenerKind, LogLevel, Outcome};
use presence_protocol::errors::code;

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

const DELIVERIES: [&str; 3] = ["thread", "shared", "poll"];

fn create(delivery: &str, more: &str) -> Client {
    // Nobody listens at port 1.
    let options = format!(r#"{{"server":"tim://127.0.0.1:1","sdk_app_id":1,"delivery":"{delivery}"{more}}}"#);
    Client::create(&options).unwrap()
}

fn code_of<T: std::fmt::Debug>(result: Result<T, CallError>) -> i32 {
    result.unwrap_err().code
}

/// Sends when it is dropped.
struct Dropped(Sender<&'static str>, &'static str);

impl Drop for Dropped {
    fn drop(&mut self) {
        // The test may have ended.
        let _ = self.0.send(self.1);
    }
}

fn receive<T>(receiver: &Receiver<T>) -> T {
    receiver.recv_timeout(PATIENCE).expect("it comes")
}

/// A callback that does not return before it is let.
struct Gate {
    entered: Receiver<()>,
    open: Sender<()>,
}

fn block(client: &Client) -> Gate {
    let (enter, entered) = mpsc::channel();
    let (open, opened) = mpsc::channel::<()>();
    client
        .set_self_status(
            "",
            Box::new(move |_| {
                enter.send(()).unwrap();
                opened.recv_timeout(PATIENCE).expect("somebody opens");
            }),
        )
        .unwrap();
    Gate { entered, open }
}

#[test]
fn a_destroy_delivers_every_result_once_and_drops_every_listener() {
    for delivery in DELIVERIES {
        let client = create(delivery, "");
        let (dropped, drops) = mpsc::channel();
        let results = Arc::new(AtomicUsize::new(0));
        let held = Dropped(dropped.clone(), "listener");
        client
            .set_listener(Listener::UserSigExpired(Box::new(move || {
                let _ = &held;
            })))
            .unwrap();
        for _ in 0..1_000 {
            let results = results.clone();
            client
                .set_self_status(
                    "busy",
                    Box::new(move |outcome| {
                        assert!([code::NOT_LOGGED_IN, code::SHUTDOWN].contains(&outcome.code));
                        results.fetch_add(1, Ordering::SeqCst);
                    }),
                )
                .unwrap();
        }
        client.destroy(PATIENCE).unwrap();
        assert_eq!(results.load(Ordering::SeqCst), 1_000, "{delivery}");
        assert_eq!(
            drops.try_recv(),
            Ok("listener"),
            "{delivery}: before destroy returned"
        );
        client.destroy(PATIENCE).unwrap();
    }
}

#[test]
fn a_pending_login_ends_with_shutdown() {
    let client = create("thread", "");
    let (tell, told) = mpsc::channel();
    client
        .login(
            "alice",
            "sig",
            Box::new(move |outcome| tell.send(outcome.code).unwrap()),
        )
        .unwrap();
    client.destroy(PATIENCE).unwrap();
    assert_eq!(told.try_recv(), Ok(code::SHUTDOWN));
}

#[test]
fn a_closing_client_accepts_only_destroy_and_poll() {
    for delivery in DELIVERIES {
        let client = create(delivery, "");
        client.destroy(PATIENCE).unwrap();
        let done = || Box::new(|_: Outcome| panic!("refused calls are never completed"));
        assert_eq!(code_of(client.login("alice", "sig", done())), code::CLOSED);
        assert_eq!(code_of(client.logout(done())), code::CLOSED);
        assert_eq!(code_of(client.get_friends(done())), code::CLOSED);
        assert_eq!(code_of(client.network_changed()), code::CLOSED);
        assert_eq!(code_of(client.remove_listener(ListenerKind::Log)), code::CLOSED);
        assert_eq!(
            code_of(client.destroy_async(Box::new(|| panic!("refused")))),
            code::CLOSED
        );
    }
}

#[test]
fn results_come_in_order_on_one_thread_that_is_not_the_callers() {
    for delivery in ["thread", "shared"] {
        let client = create(delivery, "");
        let (tell, told) = mpsc::channel();
        for number in 0..100 {
            let tell = tell.clone();
            client
                .get_friends(Box::new(move |_| {
                    tell.send((number, std::thread::current().id())).unwrap()
                }))
                .unwrap();
        }
        let threads: Vec<ThreadId> = (0..100)
            .map(|expected| {
                let (number, thread) = receive(&told);
                assert_eq!(number, expected);
                thread
            })
            .collect();
        assert!(
            threads
                .iter()
                .all(|thread| *thread == threads[0] && *thread != std::thread::current().id())
        );
        client.destroy(PATIENCE).unwrap();
    }
}

#[test]
fn a_callback_has_the_stack_of_a_c_thread() {
    for delivery in ["thread", "shared"] {
        let client = create(delivery, "");
        let (done, finished) = mpsc::channel();
        let deep = move |_: Outcome| {
            let large = [1_u8; 6 << 20];
            done.send(std::hint::black_box(&large)[..].len()).unwrap();
        };
        client.set_self_status("", Box::new(deep)).unwrap();
        assert_eq!(receive(&finished), 6 << 20);
        client.destroy(PATIENCE).unwrap();
    }
}

#[test]
fn clients_that_share_a_thread_share_it_and_others_do_not() {
    let thread_of = |client: &Client| {
        let (tell, told) = mpsc::channel();
        client
            .get_friends(Box::new(move |_| tell.send(std::thread::current().id()).unwrap()))
            .unwrap();
        receive(&told)
    };
    let clients = ["shared", "shared", "thread", "thread"].map(|delivery| create(delivery, ""));
    let threads = clients.each_ref().map(thread_of);
    assert_eq!(threads[0], threads[1]);
    assert_ne!(threads[0], threads[2]);
    assert_ne!(threads[2], threads[3]);
    for client in clients {
        client.destroy(PATIENCE).unwrap();
    }
}

#[test]
fn a_destroy_inside_a_callback_would_deadlock_and_its_asynchronous_form_does_not() {
    for delivery in ["thread", "shared"] {
        let client = create(delivery, "");
        let (tell, told) = mpsc::channel();
        let inside = client.clone();
        client
            .get_friends(Box::new(move |_| {
                let refused = code_of(inside.destroy(PATIENCE));
                let tell_closed = tell.clone();
                inside
                    .destroy_async(Box::new(move || tell_closed.send(0).unwrap()))
                    .unwrap();
                tell.send(refused).unwrap();
            }))
            .unwrap();
        assert_eq!(receive(&told), code::WOULD_DEADLOCK, "{delivery}");
        assert_eq!(receive(&told), 0, "{delivery}: closed");
        client.destroy(PATIENCE).unwrap();
    }
}

#[test]
fn a_destroy_from_a_companions_callback_would_deadlock_too() {
    let [one, other] = ["shared"; 2].map(|delivery| create(delivery, ""));
    let (tell, told) = mpsc::channel();
    let companion = other.clone();
    one.get_friends(Box::new(move |_| {
        tell.send(code_of(companion.destroy(PATIENCE))).unwrap()
    }))
    .unwrap();
    assert_eq!(receive(&told), code::WOULD_DEADLOCK);
    one.destroy(PATIENCE).unwrap();
    other.destroy(PATIENCE).unwrap();
}

#[test]
fn a_destroy_from_another_clients_thread_is_fine() {
    let [one, other] = ["thread"; 2].map(|delivery| create(delivery, ""));
    let (tell, told) = mpsc::channel();
    let doomed = other.clone();
    one.get_friends(Box::new(move |_| tell.send(doomed.destroy(PATIENCE)).unwrap()))
        .unwrap();
    assert_eq!(receive(&told), Ok(()));
    one.destroy(PATIENCE).unwrap();
}

#[test]
fn a_callback_that_does_not_return_makes_a_destroy_time_out_and_go_on() {
    for delivery in ["thread", "shared"] {
        let client = create(delivery, "");
        let gate = block(&client);
        receive(&gate.entered);
        assert_eq!(
            code_of(client.destroy(Duration::from_millis(1))),
            code::TIMEOUT,
            "{delivery}"
        );
        assert_eq!(code_of(client.destroy(Duration::ZERO)), code::TIMEOUT);
        gate.open.send(()).unwrap();
        client.destroy(PATIENCE).unwrap();
    }
}

#[test]
fn several_threads_may_destroy_at_once() {
    for delivery in DELIVERIES {
        let client = create(delivery, "");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| client.destroy(PATIENCE).unwrap());
            }
        });
    }
}

#[test]
fn a_client_that_is_let_go_ends_by_itself() {
    let client = create("thread", "");
    let (dropped, drops) = mpsc::channel();
    let held = Dropped(dropped, "listener");
    let listener = Listener::Log(
        LogLevel::Error,
        Box::new(move |_, _| {
            let _ = &held;
        }),
    );
    client.set_listener(listener).unwrap();
    drop(client);
    assert_eq!(receive(&drops), "listener");
}

#[test]
fn no_room_is_busy_and_logins_have_room_of_their_own() {
    let client = create("thread", r#","queue_max":3"#);
    let gate = block(&client);
    receive(&gate.entered);
    let (tell, told) = mpsc::channel();
    let note = |what: &'static str| {
        let tell = tell.clone();
        Box::new(move |_: Outcome| tell.send(what).unwrap())
    };
    client.get_friends(note("one")).unwrap();
    client.get_friends(note("two")).unwrap();
    assert_eq!(code_of(client.get_friends(note("three"))), code::BUSY);
    assert_eq!(
        code_of(client.set_listener(Listener::UserSigExpired(Box::new(|| ())))),
        code::BUSY
    );
    for _ in 0..16 {
        client.logout(note("logout")).unwrap();
    }
    assert_eq!(code_of(client.logout(note("more"))), code::BUSY);
    gate.open.send(()).unwrap();
    assert_eq!([receive(&told), receive(&told)], ["one", "two"]);
    for _ in 0..16 {
        assert_eq!(receive(&told), "logout");
    }
    client.get_friends(note("again")).unwrap();
    assert_eq!(receive(&told), "again");
    client.destroy(PATIENCE).unwrap();
    assert!(told.try_recv().is_err(), "what was refused is never completed");
}

#[test]
fn a_replaced_listener_is_dropped_where_callbacks_run() {
    let client = create("thread", "");
    let (tell, told) = mpsc::channel();
    struct TellsThread(Sender<ThreadId>);
    impl Drop for TellsThread {
        fn drop(&mut self) {
            let _ = self.0.send(std::thread::current().id());
        }
    }
    let held = TellsThread(tell.clone());
    client
        .set_listener(Listener::UserSigExpired(Box::new(move || {
            let _ = &held;
        })))
        .unwrap();
    client
        .set_listener(Listener::UserSigExpired(Box::new(|| ())))
        .unwrap();
    let dropped_on = receive(&told);
    client
        .get_friends(Box::new(move |_| tell.send(std::thread::current().id()).unwrap()))
        .unwrap();
    assert_eq!(dropped_on, receive(&told));
    client.destroy(PATIENCE).unwrap();
}

#[test]
fn thread_hooks_see_the_callback_thread_start_and_end() {
    for delivery in ["thread", "shared"] {
        let client = create(delivery, "");
        let diary = Arc::new(Mutex::new(Vec::new()));
        let (in_hook, in_result) = (diary.clone(), diary.clone());
        client
            .set_thread_hooks(Some(Box::new(move |starts| {
                in_hook
                    .lock()
                    .unwrap()
                    .push((if starts { "start" } else { "end" }, std::thread::current().id()));
            })))
            .unwrap();
        client
            .get_friends(Box::new(move |_| {
                in_result
                    .lock()
                    .unwrap()
                    .push(("result", std::thread::current().id()))
            }))
            .unwrap();
        client.destroy(PATIENCE).unwrap();
        let diary = diary.lock().unwrap();
        let words: Vec<&str> = diary.iter().map(|(word, _)| *word).collect();
        assert_eq!(words, ["start", "result", "end"], "{delivery}");
        assert!(diary.iter().all(|(_, thread)| *thread == diary[0].1));
    }
    let client = create("poll", "");
    assert_eq!(code_of(client.set_thread_hooks(None)), code::UNSUPPORTED);
    client.destroy(PATIENCE).unwrap();
}

#[test]
fn a_panic_of_a_callback_fails_the_client_and_completes_what_is_pending() {
    for delivery in ["thread", "shared"] {
        let client = create(delivery, "");
        let (tell, told) = mpsc::channel();
        let login = tell.clone();
        client
            .login(
                "alice",
                "sig",
                Box::new(move |outcome| login.send(outcome.code).unwrap()),
            )
            .unwrap();
        client
            .set_listener(Listener::ConnectionState(Box::new(|_, _, _| {
                std::panic::resume_unwind(Box::new("a bug"))
            })))
            .unwrap();
        client.network_changed().unwrap();
        assert_eq!(receive(&told), code::PANIC, "{delivery}");
        assert_eq!(code_of(client.get_friends(Box::new(|_| ()))), code::FAILED);
        client.destroy(PATIENCE).unwrap();
    }
}

#[test]
fn poll_runs_callbacks_on_the_thread_that_polls_and_no_more_than_asked_for() {
    let client = create("poll", "");
    let here = std::thread::current().id();
    let ran = Arc::new(AtomicUsize::new(0));
    for _ in 0..5 {
        let ran = ran.clone();
        client
            .get_friends(Box::new(move |_| {
                assert_eq!(std::thread::current().id(), here);
                ran.fetch_add(1, Ordering::SeqCst);
            }))
            .unwrap();
    }
    let mut handled = client.poll(2, PATIENCE).unwrap();
    assert!((1..=2).contains(&handled));
    while handled < 5 {
        handled += client.poll(2, PATIENCE).unwrap();
    }
    assert_eq!((handled, ran.load(Ordering::SeqCst)), (5, 5));
    assert_eq!(client.poll(2, Duration::from_millis(1)), Ok(0));
    assert_eq!(code_of(client.poll(0, Duration::ZERO)), code::INVALID_ARGUMENT);
    client.destroy(PATIENCE).unwrap();
    assert_eq!(code_of(client.poll(1, Duration::ZERO)), code::CLOSED);
}

#[test]
fn a_second_poll_is_busy_also_from_inside_a_callback() {
    let client = create("poll", "");
    let gate = block(&client);
    let (tell, told) = mpsc::channel();
    let inside = client.clone();
    client
        .get_friends(Box::new(move |_| {
            tell.send(code_of(inside.poll(1, Duration::ZERO))).unwrap()
        }))
        .unwrap();
    std::thread::scope(|scope| {
        let polling = scope.spawn(|| client.poll(2, PATIENCE));
        receive(&gate.entered);
        assert_eq!(code_of(client.poll(1, Duration::ZERO)), code::BUSY);
        gate.open.send(()).unwrap();
        let mut handled = polling.join().unwrap().unwrap();
        while handled < 2 {
            handled += client.poll(2, PATIENCE).unwrap();
        }
    });
    assert_eq!(receive(&told), code::BUSY);
    client.destroy(PATIENCE).unwrap();
}

#[test]
fn a_destroy_ends_a_poll_that_waits_and_runs_what_remains() {
    let client = create("poll", "");
    let gate = block(&client);
    let ran = Arc::new(AtomicBool::new(false));
    std::thread::scope(|scope| {
        let polling = scope.spawn(|| client.poll(usize::MAX, PATIENCE));
        receive(&gate.entered);
        // While a callback runs, it cannot be ended; and the poll goes on afterwards.
        assert_eq!(code_of(client.destroy(Duration::from_millis(1))), code::TIMEOUT);
        gate.open.send(()).unwrap();
        let ended = polling.join().unwrap();
        assert!(
            ended == Ok(1) || code_of(ended.clone()) == code::CLOSED,
            "{ended:?}"
        );
    });
    client.destroy(PATIENCE).unwrap();

    let client = create("poll", "");
    let remains = ran.clone();
    std::thread::scope(|scope| {
        let polling = scope.spawn(|| {
            loop {
                match client.poll(usize::MAX, PATIENCE) {
                    // Ours below was inside.
                    Err(error) if error.code == code::BUSY => std::thread::yield_now(),
                    ended => return ended,
                }
            }
        });
        // The poll waits as soon as it is inside; a poll of ours that is refused shows that it is.
        while client.poll(1, Duration::ZERO).is_ok() {
            std::thread::yield_now();
        }
        client
            .login(
                "alice",
                "sig",
                Box::new(move |_| remains.store(true, Ordering::SeqCst)),
            )
            .unwrap();
        client.destroy(PATIENCE).unwrap();
        assert_eq!(code_of(polling.join().unwrap()), code::CLOSED);
    });
    assert!(ran.load(Ordering::SeqCst));
}

#[test]
fn a_poll_after_an_asynchronous_destroy_runs_the_rest_and_ends_with_closed() {
    let client = create("poll", "");
    let diary = Arc::new(Mutex::new(Vec::new()));
    let (result, closed) = (diary.clone(), diary.clone());
    client
        .login(
            "alice",
            "sig",
            Box::new(move |outcome| result.lock().unwrap().push(outcome.code)),
        )
        .unwrap();
    client
        .destroy_async(Box::new(move || closed.lock().unwrap().push(0)))
        .unwrap();
    let ended = loop {
        match client.poll(1, PATIENCE) {
            Ok(_) => {}
            Err(error) => break error.code,
        }
    };
    assert_eq!(ended, code::CLOSED);
    assert_eq!(*diary.lock().unwrap(), [code::SHUTDOWN, 0]);
    client.destroy(Duration::ZERO).unwrap();
}

#[test]
fn a_destroy_that_runs_what_remains_keeps_its_time() {
    let client = create("poll", "");
    let ran = Arc::new(AtomicUsize::new(0));
    for _ in 0..100 {
        let ran = ran.clone();
        let done = move |_| {
            ran.fetch_add(1, Ordering::SeqCst);
        };
        client.get_friends(Box::new(done)).unwrap();
    }
    let mut before = ran.load(Ordering::SeqCst);
    // Its time is over before it begins, so each runs one callback at most.
    loop {
        let ended = client.destroy(Duration::ZERO);
        let after = ran.load(Ordering::SeqCst);
        assert!(after - before <= 1, "{before} and then {after}");
        before = after;
        match ended {
            Ok(()) => break,
            Err(error) => assert_eq!(error.code, code::TIMEOUT),
        }
        std::thread::yield_now();
    }
    assert_eq!(ran.load(Ordering::SeqCst), 100);
}

#[test]
fn poll_has_a_wake_callback_and_the_other_deliveries_have_none() {
    let client = create("poll", "");
    let (ring, rings) = mpsc::channel();
    client.get_friends(Box::new(|_| ())).unwrap();
    client
        .set_wake_callback(Some(Box::new(move || {
            let _ = ring.send(std::thread::current().id());
        })))
        .unwrap();
    // Something waits already, or will.
    assert_ne!(receive(&rings), std::thread::current().id());
    assert_eq!(client.poll(1, PATIENCE), Ok(1));
    client.get_friends(Box::new(|_| ())).unwrap();
    receive(&rings);
    client.set_wake_callback(None).unwrap();
    client.destroy(PATIENCE).unwrap();
    for delivery in ["thread", "shared"] {
        let client = create(delivery, "");
        assert_eq!(code_of(client.set_wake_callback(None)), code::UNSUPPORTED);
        assert_eq!(code_of(client.poll(1, Duration::ZERO)), code::UNSUPPORTED);
        assert_eq!(code_of(client.wake_fd()), code::UNSUPPORTED);
        client.destroy(PATIENCE).unwrap();
    }
}

#[test]
fn a_wake_callback_can_be_replaced_for_ever() {
    let client = create("poll", r#","queue_max":2"#);
    for round in 0..10 {
        // Sometimes there is an old one to be let go of, sometimes there is none.
        let wake: Option<Box<dyn Fn() + Send + Sync>> = (round % 4 < 2).then(|| Box::new(|| ()) as _);
        client.set_wake_callback(wake).unwrap();
        client.get_friends(Box::new(|_| ())).unwrap();
        assert_eq!(client.poll(1, PATIENCE), Ok(1));
    }
    client.destroy(PATIENCE).unwrap();
}

#[test]
fn a_wake_callback_is_never_called_or_kept_after_the_end() {
    for _ in 0..50 {
        let client = create("poll", "");
        let (dropped, drops) = mpsc::channel();
        let ended = Arc::new(AtomicBool::new(false));
        let (held, seen) = (Dropped(dropped, "wake"), ended.clone());
        client
            .set_wake_callback(Some(Box::new(move || {
                let _ = &held;
                std::thread::yield_now();
                assert!(!seen.load(Ordering::SeqCst), "called after destroy returned");
            })))
            .unwrap();
        client.login("alice", "sig", Box::new(|_| ())).unwrap();
        client.destroy(PATIENCE).unwrap();
        ended.store(true, Ordering::SeqCst);
        assert_eq!(drops.try_recv(), Ok("wake"));
    }
}

#[test]
fn a_poll_inside_a_wake_callback_is_refused() {
    let client = create("poll", "");
    let (tell, told) = mpsc::channel();
    let inside = client.clone();
    client
        .set_wake_callback(Some(Box::new(move || {
            let codes = (
                code_of(inside.poll(1, Duration::ZERO)),
                code_of(inside.destroy(PATIENCE)),
            );
            // Later calls find nobody.
            let _ = tell.send(codes);
        })))
        .unwrap();
    client.get_friends(Box::new(|_| ())).unwrap();
    assert_eq!(receive(&told), (code::WOULD_DEADLOCK, code::WOULD_DEADLOCK));
    client.destroy(PATIENCE).unwrap();
}

#[cfg(unix)]
#[test]
fn the_wake_descriptor_is_readable_while_callbacks_wait() {
    let readable = |fd: i32, timeout_ms: i32| {
        let mut poll = libc::pollfd {
            fd,
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one valid pollfd, as said.
        unsafe { libc::poll(&raw mut poll, 1, timeout_ms) == 1 }
    };
    let client = create("poll", "");
    let fd = client.wake_fd().unwrap();
    assert_eq!(client.wake_fd(), Ok(fd));
    assert!(!readable(fd, 0));
    client.get_friends(Box::new(|_| ())).unwrap();
    client.get_friends(Box::new(|_| ())).unwrap();
    let mut handled = 0;
    while handled < 2 {
        assert!(readable(fd, 60_000));
        handled += client.poll(1, Duration::ZERO).unwrap();
    }
    assert!(!readable(fd, 0));
    // An application that takes the byte, though it is told not to, loses that and nothing else.
    client.get_friends(Box::new(|_| ())).unwrap();
    assert!(readable(fd, 60_000));
    let mut byte = 0u8;
    // SAFETY: one byte's room, of a descriptor that is open until the client is destroyed.
    assert_eq!(unsafe { libc::read(fd, (&raw mut byte).cast(), 1) }, 1);
    let (tell, told) = mpsc::channel();
    let polled = client.clone();
    std::thread::spawn(move || tell.send(polled.poll(1, Duration::ZERO)));
    assert_eq!(receive(&told), Ok(1), "it does not wait for the byte");
    client.get_friends(Box::new(|_| ())).unwrap();
    assert!(readable(fd, 60_000), "it is readable again");
    client.destroy(PATIENCE).unwrap();
}

#[test]
fn two_clients_of_one_data_directory_are_two_devices_and_the_second_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let more = format!(r#","data_dir":{:?}"#, folder.path());
    let first = create("thread", &more);
    let second = create("thread", &more);
    let (tell, told) = mpsc::channel();
    let listener = Listener::Log(
        LogLevel::Warn,
        Box::new(move |_, text| tell.send(text.to_owned()).unwrap()),
    );
    second.set_listener(listener).unwrap();
    assert!(receive(&told).contains("in use by another client"));
    first.destroy(PATIENCE).unwrap();
    second.destroy(PATIENCE).unwrap();
}
