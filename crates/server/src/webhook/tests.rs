//! Against real HTTP servers.

use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::channel;
use std::time::Instant as StdInstant;

use presence::ids::{Platform, UserId, UserKey};
use presence::status::CustomStatus;
use presence::time::Wall;
use presence_node::engine::Happening;

use super::*;

#[path = "../../tests/support/receiver.rs"]
mod receiver;
use receiver::{Answer, Received, Receiver};

/// Longer than anything here takes; only a failing test waits for it.
const DEADLINE: Duration = Duration::from_secs(20);

/// Retries that come soon, and a request's time that no answering server needs.
const QUICK: Timing = Timing {
    request: Duration::from_secs(10),
    retry_first: Duration::from_millis(1),
    retry_most: Duration::from_millis(20),
    give_up: Duration::from_secs(60),
};

fn app() -> AppId {
    AppId::new(7).unwrap()
}

fn targets(url: &str, secret: Option<&str>) -> Targets {
    let target = Target::new(url, secret.map(str::to_owned)).unwrap();
    BTreeMap::from([(app(), Arc::new(target))])
}

fn event(user: &str, text: &str) -> DeviceEvent {
    DeviceEvent {
        user: UserKey {
            app: app(),
            user: UserId::new(user).unwrap(),
        },
        platform: Platform::Linux,
        client: Some("127.0.0.1".parse().unwrap()),
        at: Wall(1_780_000_000_000),
        what: Happening::CustomStatus(CustomStatus::new(text, 100).unwrap()),
    }
}

fn user_of(received: &Received) -> String {
    field(received, "To_Account")
}

fn text_of(received: &Received) -> String {
    field(received, "CustomStatus")
}

fn field(received: &Received, name: &str) -> String {
    let body: serde_json::Value = serde_json::from_str(&received.body).expect("JSON");
    body["Info"][name].as_str().expect("a text").to_owned()
}

fn await_counter(webhooks: &Webhooks, what: &str, get: fn(&Counters) -> u64, expected: u64) {
    let deadline = StdInstant::now() + DEADLINE;
    while get(&webhooks.counters()) != expected {
        assert!(StdInstant::now() < deadline, "{what}: {:?}", webhooks.counters());
        std::thread::yield_now();
    }
}

#[test]
fn an_event_is_posted_once_and_signed() {
    let receiver = Receiver::start(|_| Answer::ok());
    let webhooks = Webhooks::start_with(targets(&receiver.url(), Some("hush")), QUICK, 10).unwrap();
    webhooks.hook().tell(event("alice", "hello"));
    let received = receiver.next();
    assert_eq!(
        received.line,
        "POST /hook?SdkAppid=7&CallbackCommand=State.StateChange&contenttype=json&ClientIP=127.0.0.1&OptPlatform=Linux"
    );
    assert_eq!(
        received.body,
        r#"{"CallbackCommand":"State.StateChange","EventTime":1780000000000,"Info":{"Action":"CustomStatusChange","To_Account":"alice","Reason":"SetCustomStatus","CustomStatus":"hello"}}"#
    );
    assert_eq!(received.header("content-type"), Some("application/json"));
    let timestamp = received.header("x-tim-timestamp").expect("a timestamp");
    let check = Target::new(&receiver.url(), Some("hush".to_owned())).unwrap();
    let expected = check.signature(timestamp, received.query(), received.body.as_bytes());
    assert_eq!(received.header("x-tim-signature"), expected.as_deref());
    await_counter(&webhooks, "delivered", Counters::delivered, 1);
    assert_eq!(webhooks.stop(DEADLINE), 0);
    assert!(receiver.is_quiet());
}

#[test]
fn without_a_secret_nothing_is_signed() {
    let receiver = Receiver::start(|_| Answer::ok());
    let webhooks = Webhooks::start_with(targets(&receiver.url(), None), QUICK, 10).unwrap();
    webhooks.hook().tell(event("alice", "hello"));
    let received = receiver.next();
    assert_eq!(
        (
            received.header("x-tim-signature"),
            received.header("x-tim-timestamp")
        ),
        (None, None)
    );
    assert_eq!(webhooks.stop(DEADLINE), 0);
}

/// R10.1.
#[test]
fn a_users_events_come_in_order_and_wait_for_nobody_elses() {
    let (release, released) = channel::<()>();
    let released = Mutex::new(released);
    let receiver = Receiver::start(move |received| {
        if user_of(received) == "slow" && text_of(received) == "0" {
            // Until the test has seen all of the others.
            released.lock().unwrap().recv_timeout(DEADLINE).expect("released");
        }
        Answer::ok()
    });
    let webhooks = Webhooks::start_with(targets(&receiver.url(), None), QUICK, 1_000).unwrap();
    let hook = webhooks.hook();
    for number in 0..20 {
        for user in ["slow", "ann", "bob"] {
            hook.tell(event(user, &number.to_string()));
        }
    }
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for _ in 0..40 {
        let received = receiver.next();
        texts
            .entry(user_of(&received))
            .or_default()
            .push(text_of(&received));
    }
    let in_order: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    assert_eq!((&texts["ann"], &texts["bob"]), (&in_order, &in_order));
    assert_eq!(texts.get("slow"), None);
    release.send(()).unwrap();
    let slow: Vec<String> = (0..20).map(|_| text_of(&receiver.next())).collect();
    assert_eq!(slow, in_order);
    assert_eq!(webhooks.stop(DEADLINE), 0);
}

/// R10.1.
#[test]
fn what_is_not_taken_is_sent_again_byte_for_byte_before_anything_younger() {
    let count = AtomicUsize::new(0);
    let receiver = Receiver::start(move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0 => Answer::Status(503, String::new()),
        1 => Answer::Close,
        2 => Answer::Status(404, String::new()),
        _ => Answer::ok(),
    });
    let webhooks = Webhooks::start_with(targets(&receiver.url(), None), QUICK, 10).unwrap();
    webhooks.hook().tell(event("alice", "first"));
    webhooks.hook().tell(event("alice", "second"));
    let first = receiver.next();
    assert_eq!(text_of(&first), "first");
    for _ in 0..3 {
        let again = receiver.next();
        assert_eq!((&again.line, &again.body), (&first.line, &first.body));
    }
    assert_eq!(text_of(&receiver.next()), "second");
    await_counter(&webhooks, "delivered", Counters::delivered, 2);
    assert_eq!(webhooks.counters().retried(), 3);
    assert_eq!(webhooks.stop(DEADLINE), 0);
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = Receiver::start(|_| Answer::ok());
    let (count, location) = (AtomicUsize::new(0), elsewhere.url());
    let receiver = Receiver::start(move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0 => Answer::Status(307, format!("Location: {location}\r\n")),
        _ => Answer::ok(),
    });
    let webhooks = Webhooks::start_with(targets(&receiver.url(), Some("hush")), QUICK, 10).unwrap();
    webhooks.hook().tell(event("alice", "hello"));
    assert_eq!(receiver.next().body, receiver.next().body);
    await_counter(&webhooks, "delivered", Counters::delivered, 1);
    assert_eq!(webhooks.stop(DEADLINE), 0);
    assert!(elsewhere.is_quiet());
}

#[test]
fn a_receiver_that_hangs_is_asked_again() {
    let count = AtomicUsize::new(0);
    let receiver = Receiver::start(move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0 => Answer::Hang,
        _ => Answer::ok(),
    });
    let timing = Timing {
        request: Duration::from_millis(300),
        ..QUICK
    };
    let webhooks = Webhooks::start_with(targets(&receiver.url(), None), timing, 10).unwrap();
    webhooks.hook().tell(event("alice", "hello"));
    assert_eq!(receiver.next().body, receiver.next().body);
    await_counter(&webhooks, "delivered", Counters::delivered, 1);
    assert_eq!(webhooks.stop(DEADLINE), 0);
}

/// docs/WEBHOOKS.md: any status from 200 to 299 in time says that the event was taken.
#[test]
fn a_success_whose_body_does_not_end_is_a_success() {
    let receiver = Receiver::start(|_| Answer::OkWithoutEnd);
    let timing = Timing {
        request: Duration::from_millis(300),
        ..QUICK
    };
    let webhooks = Webhooks::start_with(targets(&receiver.url(), None), timing, 10).unwrap();
    webhooks.hook().tell(event("alice", "hello"));
    await_counter(&webhooks, "delivered", Counters::delivered, 1);
    assert_eq!(webhooks.stop(DEADLINE), 0);
}

#[test]
fn an_event_is_given_up_in_the_end() {
    let receiver = Receiver::start(|_| Answer::Status(500, String::new()));
    let timing = Timing {
        give_up: Duration::from_millis(50),
        ..QUICK
    };
    let webhooks = Webhooks::start_with(targets(&receiver.url(), None), timing, 10).unwrap();
    webhooks.hook().tell(event("alice", "hello"));
    await_counter(&webhooks, "given up", Counters::given_up, 1);
    assert_eq!(
        (webhooks.counters().waiting(), webhooks.counters().delivered()),
        (0, 0)
    );
    assert_eq!(webhooks.stop(DEADLINE), 0);
}

/// R10.1.
#[test]
fn past_the_limit_events_are_dropped_and_counted_and_nobody_waits() {
    let receiver = Receiver::start(|_| Answer::Hang);
    let webhooks = Webhooks::start_with(targets(&receiver.url(), None), QUICK, 10).unwrap();
    let hook = webhooks.hook();
    for number in 0..25 {
        hook.tell(event("alice", &number.to_string()));
    }
    let counters = webhooks.counters();
    assert_eq!((counters.waiting(), counters.dropped()), (10, 15));
    assert_eq!(text_of(&receiver.next()), "0");
    assert_eq!(
        webhooks.stop(Duration::from_millis(50)),
        10,
        "left when the time was over"
    );
    assert_eq!(
        (counters.waiting(), counters.dropped(), counters.delivered()),
        (0, 25, 0)
    );
}

#[test]
fn at_the_stop_what_waits_is_sent_and_retries_are_not_waited_for() {
    let timing = Timing {
        retry_first: Duration::from_secs(3_000),
        retry_most: Duration::from_secs(3_000),
        give_up: Duration::from_secs(30_000),
        ..QUICK
    };
    // Again and again, because the stop may come while the worker is at anything.
    for _ in 0..16 {
        let count = AtomicUsize::new(0);
        let receiver = Receiver::start(move |_| match count.fetch_add(1, Ordering::Relaxed) {
            0 => Answer::Status(503, String::new()),
            _ => Answer::ok(),
        });
        let webhooks = Webhooks::start_with(targets(&receiver.url(), None), timing, 100).unwrap();
        for number in 0..20 {
            webhooks.hook().tell(event("alice", &number.to_string()));
        }
        await_counter(&webhooks, "retried", Counters::retried, 1);
        let counters = webhooks.counters();
        // Something to do just then: nothing changes by it.
        webhooks.set_targets(targets(&receiver.url(), None));
        assert_eq!(webhooks.stop(DEADLINE), 0);
        assert_eq!((counters.delivered(), counters.waiting()), (20, 0));
    }
}

#[test]
fn who_has_no_webhook_any_more_is_sent_nothing() {
    let receiver = Receiver::start(|_| Answer::Status(503, String::new()));
    let webhooks = Webhooks::start_with(targets(&receiver.url(), None), QUICK, 10).unwrap();
    assert!(webhooks.hook().listens());
    webhooks.hook().tell(event("alice", "hello"));
    receiver.next();
    webhooks.set_targets(Targets::new());
    assert!(!webhooks.hook().listens());
    await_counter(&webhooks, "dropped", Counters::dropped, 1);
    webhooks.hook().tell(event("alice", "more"));
    assert_eq!(webhooks.stop(DEADLINE), 0);
}
