//! The functions as a C program calls them: wrong arguments, who owns what, and one story through a real server.

use std::collections::BTreeSet;
use std::ffi::{CStr, c_char, c_void};
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use presence_protocol::errors::code;

use crate::errors::timLastErrorMessage;
use crate::lifecycle::*;
use crate::listeners::*;
use crate::pull::*;
use crate::session::*;
use crate::status::*;
use crate::types::*;

const PATIENCE: Duration = Duration::from_secs(20);
const PATIENCE_MS: u32 = 20_000;
/// Nobody listens on the discard port of a machine that runs tests, and nothing here connects.
const OPTIONS: &CStr = c"{\"server\": \"tim://127.0.0.1:9\", \"sdk_app_id\": 1}";
const POLL_OPTIONS: &CStr = c"{\"server\": \"tim://127.0.0.1:9\", \"sdk_app_id\": 1, \"delivery\": \"poll\"}";

fn create(options: &CStr) -> TimClient {
    let mut client = 0;
    // SAFETY: a C string and a place of this function.
    let answer = unsafe { timClientCreate(options.as_ptr(), &raw mut client) };
    assert_eq!(answer, code::OK, "{}", last_text());
    client
}

fn destroy(client: TimClient) {
    // SAFETY: no requirements.
    let answer = unsafe { timClientDestroy(client, PATIENCE_MS) };
    assert_eq!(answer, code::OK, "{}", last_text());
}

fn last_text() -> String {
    let mut buffer = [0; 512];
    // SAFETY: a buffer of that capacity.
    unsafe {
        assert_eq!(
            timLastErrorMessage(buffer.as_mut_ptr(), buffer.len(), null_mut()),
            code::OK
        );
        CStr::from_ptr(buffer.as_ptr())
            .to_str()
            .expect("UTF-8")
            .to_owned()
    }
}

unsafe extern "C" fn ignore_result(_: *const TimResult, _: *mut c_void) {}
unsafe extern "C" fn ignore_changes(_: *const *const TimUserStatus, _: usize, _: *mut c_void) {}
unsafe extern "C" fn ignore_state(_: i32, _: i32, _: *const c_char, _: *mut c_void) {}
unsafe extern "C" fn ignore_text(_: i32, _: *const c_char, _: *mut c_void) {}
unsafe extern "C" fn ignore_evicted(_: *const *const c_char, _: usize, _: *mut c_void) {}
unsafe extern "C" fn ignore(_: *mut c_void) {}
unsafe extern "C" fn count(counter: *mut c_void) {
    // SAFETY: the tests pass an AtomicU32 that outlives the client.
    unsafe { &*counter.cast::<AtomicU32>() }.fetch_add(1, Ordering::SeqCst);
}

/// Every function of a client with arguments that are in order, and what it answered.
fn call_each(client: TimClient) -> Vec<(&'static str, i32)> {
    let (mut number, mut time, mut size, mut buffer) = (0, 0, 0, [0; 64]);
    let (text, ids) = (c"alice".as_ptr(), [c"bob".as_ptr()]);
    let (done, none): (TimResultFn, *mut c_void) = (Some(ignore_result), null_mut());
    macro_rules! each {
        ($($function:ident($($argument:expr),*)),* $(,)?) => {
            // SAFETY: C strings, arrays and places of this function with their true sizes.
            vec![$((stringify!($function), unsafe { $function(client, $($argument),*) })),*]
        };
    }
    each![
        timSetUserStatusChangedCallback(Some(ignore_changes), none, None),
        timSetConnectionStateCallback(Some(ignore_state), none, None),
        timSetKickedOfflineCallback(Some(ignore_text), none, None),
        timSetUserSigExpiredCallback(Some(ignore), none, None),
        timSetSubscriptionEvictedCallback(Some(ignore_evicted), none, None),
        timSetLogCallback(TIM_LOG_INFO, Some(ignore_text), none, None),
        timSetThreadHooks(Some(ignore), Some(ignore), none, None),
        timLogin(text, text, done, none),
        timLogout(done, none),
        timRenewUserSig(text, done, none),
        timGetLoginState(&raw mut number),
        timGetLoginUser(buffer.as_mut_ptr(), buffer.len(), &raw mut size),
        timGetServerTime(&raw mut time),
        timNotifyNetworkChanged(),
        timSetSelfStatus(text, done, none),
        timGetUserStatus(ids.as_ptr(), 1, done, none),
        timSubscribeUserStatus(ids.as_ptr(), 1, done, none),
        timUnsubscribeUserStatus(ids.as_ptr(), 1, done, none),
        timGetSubscriptions(done, none),
        timGetFriends(done, none),
        timPoll(1, 0, &raw mut size),
        timGetWakeFd(&raw mut number),
        timSetWakeCallback(Some(ignore), none, None),
        timClientDestroyAsync(None, none),
        timClientDestroy(0),
    ]
}

fn all_answer(client: TimClient, expected: i32) {
    for (function, answer) in call_each(client) {
        assert_eq!(answer, expected, "{function}");
    }
}

#[test]
fn the_list_of_calls_has_every_function_of_a_client() {
    let header = include_str!("../include/tim_presence.h");
    let declared: BTreeSet<&str> = header
        .lines()
        .filter_map(|line| line.strip_prefix("int32_t ")?.split_once("(TimClient client"))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(
        call_each(0)
            .into_iter()
            .map(|(name, _)| name)
            .collect::<BTreeSet<_>>(),
        declared
    );
}

#[test]
fn zero_stale_and_made_up_handles_are_refused_by_every_function() {
    let client = create(OPTIONS);
    all_answer(0, code::INVALID_HANDLE);
    all_answer(client ^ 1 << 40, code::INVALID_HANDLE);
    all_answer(client ^ 1 << 57, code::INVALID_HANDLE);
    all_answer(client + 1, code::INVALID_HANDLE);
    destroy(client);
    all_answer(client, code::INVALID_HANDLE);
    assert_eq!(last_text(), "client is not a live handle");
}

#[test]
fn null_and_bad_utf8_are_refused_by_name() {
    let client = create(OPTIONS);
    let (good, bad) = (c"alice".as_ptr(), c"\xff".as_ptr());
    let (with_null, with_bad) = ([good, null()], [good, bad]);
    let (done, none): (TimResultFn, *mut c_void) = (Some(ignore_result), null_mut());
    let refused = |answer: i32, expected: i32, named: &str| {
        assert_eq!(answer, expected, "{named}");
        assert!(last_text().starts_with(named), "{named}: {}", last_text());
    };
    let (null_pointer, not_utf8) = (code::NULL_POINTER, code::NOT_UTF8);
    let mut handle = 0;
    // SAFETY: NULL, C strings, and arrays with their true sizes.
    unsafe {
        refused(
            timClientCreate(null(), &raw mut handle),
            null_pointer,
            "options_json is NULL",
        );
        refused(
            timClientCreate(bad, &raw mut handle),
            not_utf8,
            "options_json is not UTF-8",
        );
        refused(
            timClientCreate(OPTIONS.as_ptr(), null_mut()),
            null_pointer,
            "client is NULL",
        );
        refused(
            timLogin(client, null(), good, done, none),
            null_pointer,
            "user_id is NULL",
        );
        refused(
            timLogin(client, good, null(), done, none),
            null_pointer,
            "user_sig is NULL",
        );
        refused(
            timLogin(client, bad, good, done, none),
            not_utf8,
            "user_id is not UTF-8",
        );
        refused(
            timLogin(client, good, bad, done, none),
            not_utf8,
            "user_sig is not UTF-8",
        );
        refused(
            timRenewUserSig(client, null(), done, none),
            null_pointer,
            "user_sig is NULL",
        );
        refused(
            timRenewUserSig(client, bad, done, none),
            not_utf8,
            "user_sig is not UTF-8",
        );
        refused(
            timSetSelfStatus(client, null(), done, none),
            null_pointer,
            "custom_status is NULL",
        );
        refused(
            timSetSelfStatus(client, bad, done, none),
            not_utf8,
            "custom_status is not UTF-8",
        );
        for list in [timGetUserStatus, timSubscribeUserStatus, timUnsubscribeUserStatus] {
            refused(
                list(client, null(), 1, done, none),
                null_pointer,
                "user_ids is NULL",
            );
            refused(
                list(client, with_null.as_ptr(), 2, done, none),
                null_pointer,
                "user_ids[1] is NULL",
            );
            refused(
                list(client, with_bad.as_ptr(), 2, done, none),
                not_utf8,
                "user_ids[1] is not UTF-8",
            );
        }
        let emptied = timUnsubscribeUserStatus(client, with_null.as_ptr(), 0, done, none);
        refused(emptied, code::INVALID_ARGUMENT, "count is 0");
        refused(
            timGetLoginState(client, null_mut()),
            null_pointer,
            "state is NULL",
        );
        refused(timGetServerTime(client, null_mut()), null_pointer, "ms is NULL");
        refused(
            timGetLoginUser(client, null_mut(), 0, null_mut()),
            null_pointer,
            "buf is NULL",
        );
        refused(timGetWakeFd(client, null_mut()), null_pointer, "fd is NULL");
        let level = timSetLogCallback(client, 0, Some(ignore_text), none, None);
        refused(level, code::INVALID_ARGUMENT, "level 0");
    }
    assert_eq!(handle, 0, "outputs are written only on success");
    destroy(client);
}

#[test]
fn a_user_data_without_a_function_is_refused_and_stays_the_callers() {
    let client = create(POLL_OPTIONS);
    let freed = AtomicU32::new(0);
    let data: *mut c_void = (&raw const freed).cast_mut().cast();
    // SAFETY: the counter outlives the client.
    let answers = unsafe {
        [
            timSetUserStatusChangedCallback(client, None, data, Some(count)),
            timSetConnectionStateCallback(client, None, data, Some(count)),
            timSetKickedOfflineCallback(client, None, data, Some(count)),
            timSetUserSigExpiredCallback(client, None, data, Some(count)),
            timSetSubscriptionEvictedCallback(client, None, data, Some(count)),
            timSetLogCallback(client, TIM_LOG_INFO, None, data, Some(count)),
            timSetThreadHooks(client, None, None, data, Some(count)),
            timSetWakeCallback(client, None, data, Some(count)),
            timLogin(client, c"a".as_ptr(), c"b".as_ptr(), None, data),
            timLogout(client, None, data),
            timGetFriends(client, None, data),
            timClientDestroyAsync(client, None, data),
        ]
    };
    assert_eq!(answers, [code::INVALID_ARGUMENT; 12]);
    assert!(last_text().contains("closed is NULL"));
    destroy(client);
    assert_eq!(freed.load(Ordering::SeqCst), 0);
}

#[test]
fn every_listener_frees_its_user_data_once_replaced_or_with_its_client() {
    let client = create(POLL_OPTIONS);
    let freed = AtomicU32::new(0);
    let data: *mut c_void = (&raw const freed).cast_mut().cast();
    for _ in 0..2 {
        // SAFETY: the counter outlives the client.
        let answers = unsafe {
            [
                timSetUserStatusChangedCallback(client, Some(ignore_changes), data, Some(count)),
                timSetConnectionStateCallback(client, Some(ignore_state), data, Some(count)),
                timSetKickedOfflineCallback(client, Some(ignore_text), data, Some(count)),
                timSetUserSigExpiredCallback(client, Some(ignore), data, Some(count)),
                timSetSubscriptionEvictedCallback(client, Some(ignore_evicted), data, Some(count)),
                timSetLogCallback(client, TIM_LOG_ERROR, Some(ignore_text), data, Some(count)),
                timSetWakeCallback(client, Some(ignore), data, Some(count)),
            ]
        };
        assert_eq!(answers, [code::OK; 7]);
    }
    destroy(client);
    assert_eq!(freed.load(Ordering::SeqCst), 14);
}

unsafe extern "C" fn destroy_again_and_again(_: *const TimResult, stop: *mut c_void) {
    // SAFETY: the test passes a `Refused` that outlives the client.
    let refused = unsafe { &*stop.cast::<Refused>() };
    while refused.stop.load(Ordering::SeqCst) == 0 {
        // SAFETY: no pointers.
        let answer = unsafe { timClientDestroy(refused.client, 0) };
        assert_eq!(answer, code::WOULD_DEADLOCK);
        refused.times.fetch_add(1, Ordering::SeqCst);
    }
}

struct Refused {
    client: TimClient,
    stop: AtomicU32,
    times: AtomicU32,
}

#[test]
fn a_destroy_that_is_refused_in_a_callback_closes_the_client_for_nobody() {
    let client = create(OPTIONS);
    let refused = Refused {
        client,
        stop: AtomicU32::new(0),
        times: AtomicU32::new(0),
    };
    // SAFETY: `refused` outlives the client.
    let asked = unsafe { timGetFriends(client, Some(destroy_again_and_again), data_of(&refused)) };
    assert_eq!(asked, code::OK);
    let mut answers = std::collections::BTreeSet::new();
    while refused.times.load(Ordering::SeqCst) < 100_000 {
        let mut state = 0;
        // SAFETY: a place of this function.
        answers.insert(unsafe { timGetLoginState(client, &raw mut state) });
    }
    refused.stop.store(1, Ordering::SeqCst);
    assert_eq!(answers, [code::OK].into());
    destroy(client);
}

#[test]
fn every_call_before_a_login_is_answered_with_6014_once() {
    let client = create(OPTIONS);
    let ids = [c"bob".as_ptr()];
    let (sender, results) = mpsc::channel();
    // SAFETY: C strings, an array of its true size, and a sender that outlives the client.
    let answers = unsafe {
        [
            timLogout(client, Some(send_code), data_of(&sender)),
            timRenewUserSig(client, c"x".as_ptr(), Some(send_code), data_of(&sender)),
            timSetSelfStatus(client, c"x".as_ptr(), Some(send_code), data_of(&sender)),
            timGetUserStatus(client, ids.as_ptr(), 1, Some(send_code), data_of(&sender)),
            timSubscribeUserStatus(client, ids.as_ptr(), 1, Some(send_code), data_of(&sender)),
            timUnsubscribeUserStatus(client, null(), 0, Some(send_code), data_of(&sender)),
            timGetSubscriptions(client, Some(send_code), data_of(&sender)),
            timGetFriends(client, Some(send_code), data_of(&sender)),
        ]
    };
    assert_eq!(answers, [code::OK; 8]);
    for _ in answers {
        assert_eq!(results.recv_timeout(PATIENCE), Ok(code::NOT_LOGGED_IN));
    }
    destroy(client);
    assert_eq!(results.try_recv(), Err(mpsc::TryRecvError::Empty));
}

fn data_of<T>(value: &T) -> *mut c_void {
    std::ptr::from_ref(value).cast_mut().cast()
}

unsafe extern "C" fn send_code(result: *const TimResult, sender: *mut c_void) {
    // SAFETY: the tests pass a sender that outlives the client; the result is valid during the call.
    let (result, sender) = unsafe { (&*result, &*sender.cast::<Sender<i32>>()) };
    sender.send(result.code).expect("the test waits");
}

/// A client that a callback may end, and what that callback saw.
struct Ending {
    client: TimClient,
    seen: Sender<i32>,
}

unsafe extern "C" fn end_from_inside(_: *const TimResult, ending: *mut c_void) {
    // SAFETY: the test passes an `Ending` that outlives the client.
    let ending_ref = unsafe { &*ending.cast::<Ending>() };
    let seen = |answer| ending_ref.seen.send(answer).expect("the test waits");
    // SAFETY: the same pointer is for this client's last callback.
    unsafe {
        seen(timClientDestroy(ending_ref.client, PATIENCE_MS));
        seen(timClientDestroyAsync(ending_ref.client, Some(ended), ending));
        seen(timNotifyNetworkChanged(ending_ref.client));
        let mut state = 0;
        seen(timGetLoginState(ending_ref.client, &raw mut state));
    }
}

unsafe extern "C" fn ended(ending: *mut c_void) {
    // SAFETY: as above.
    let ending = unsafe { &*ending.cast::<Ending>() };
    // SAFETY: no requirements.
    let answer = unsafe { timNotifyNetworkChanged(ending.client) };
    ending.seen.send(answer).expect("the test waits");
}

#[test]
fn a_callback_cannot_wait_for_its_own_end_but_can_start_it() {
    let (seen, sees) = mpsc::channel();
    let ending = Ending {
        client: create(OPTIONS),
        seen,
    };
    // SAFETY: `ending` outlives the client.
    let answer = unsafe { timGetFriends(ending.client, Some(end_from_inside), data_of(&ending)) };
    assert_eq!(answer, code::OK);
    let expected = [
        code::WOULD_DEADLOCK,
        code::OK,
        code::CLOSED,
        code::CLOSED,
        code::INVALID_HANDLE,
    ];
    for answer in expected {
        assert_eq!(sees.recv_timeout(PATIENCE), Ok(answer));
    }
    all_answer(ending.client, code::INVALID_HANDLE);
}

#[cfg(target_os = "linux")]
#[test]
fn in_a_forked_child_old_handles_are_refused_and_a_new_client_starts_fresh() {
    let client = create(OPTIONS);
    // SAFETY: the child only calls functions that promise to work there, and leaves by `_exit`.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            let mut fresh = 0;
            let refused = call_each(client)
                .into_iter()
                .all(|(_, answer)| answer == code::FORKED);
            let created = timClientCreate(OPTIONS.as_ptr(), &raw mut fresh) == code::OK;
            let (sender, results) = mpsc::channel();
            let called = timGetFriends(fresh, Some(send_code), data_of(&sender)) == code::OK;
            let answered = results.recv_timeout(PATIENCE) == Ok(code::NOT_LOGGED_IN);
            let destroyed = timClientDestroy(fresh, PATIENCE_MS) == code::OK;
            let wrong = [refused, created, called, answered, destroyed]
                .iter()
                .position(|right| !right);
            libc::_exit(wrong.map_or(0, |step| step as i32 + 1));
        }
        assert!(child > 0);
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
        assert!(libc::WIFEXITED(status), "the child crashed: {status}");
        assert_eq!(
            libc::WEXITSTATUS(status),
            0,
            "the number of the step that went wrong, from 1"
        );
    }
    destroy(client);
}

#[cfg(feature = "embedded-server")]
mod with_a_server {
    use std::ffi::CString;
    use std::sync::mpsc::Receiver;

    use super::*;
    use crate::server::{TimServer, timServerAddress, timServerIssueUserSig, timServerStart, timServerStop};

    /// What a listener of the story below saw.
    #[derive(Debug, PartialEq)]
    struct Seen {
        user_id: String,
        status: i32,
        custom_status: String,
        reason: i32,
    }

    unsafe extern "C" fn send_changes(
        changes: *const *const TimUserStatus,
        count: usize,
        sender: *mut c_void,
    ) {
        // SAFETY: an array of `count`, valid during the call, and the sender that the story passed.
        let (changes, sender) = unsafe {
            (
                std::slice::from_raw_parts(changes, count),
                &*sender.cast::<Sender<Seen>>(),
            )
        };
        for &change in changes {
            // SAFETY: as above.
            let (change, user_id, custom_status) = unsafe {
                let change = &*change;
                (
                    change,
                    CStr::from_ptr(change.user_id),
                    CStr::from_ptr(change.custom_status),
                )
            };
            let text = |text: &CStr| text.to_str().expect("UTF-8").to_owned();
            let (status, reason) = (change.status, change.reason);
            let seen = Seen {
                user_id: text(user_id),
                status,
                custom_status: text(custom_status),
                reason,
            };
            sender.send(seen).expect("the story goes on");
        }
    }

    fn text_of(ask: impl Fn(*mut c_char, usize, *mut usize) -> i32) -> CString {
        let mut buffer = [0; 1024];
        assert_eq!(
            ask(buffer.as_mut_ptr(), buffer.len(), null_mut()),
            code::OK,
            "{}",
            last_text()
        );
        // SAFETY: filled in above.
        unsafe { CStr::from_ptr(buffer.as_ptr()) }.to_owned()
    }

    fn start() -> (TimServer, CString) {
        let mut server = 0;
        // SAFETY: NULL and a place of this function.
        let answer = unsafe { timServerStart(null(), &raw mut server) };
        assert_eq!(answer, code::OK, "{}", last_text());
        // SAFETY: `text_of` passes a buffer of its true capacity.
        let address =
            text_of(|buf, capacity, needed| unsafe { timServerAddress(server, buf, capacity, needed) });
        let address = address.to_str().expect("ASCII");
        assert!(address.starts_with("tim://127.0.0.1:"), "{address}");
        let options = format!("{{\"server\": \"{address}\", \"sdk_app_id\": 1400000001}}");
        (server, CString::new(options).expect("no NUL"))
    }

    fn log_in(
        server: TimServer,
        client: TimClient,
        user: &CStr,
        sender: &Sender<i32>,
        results: &Receiver<i32>,
    ) {
        // SAFETY: a C string; `text_of` passes a buffer of its true capacity.
        let user_sig = text_of(|buf, capacity, needed| unsafe {
            timServerIssueUserSig(server, user.as_ptr(), 60, buf, capacity, needed)
        });
        // SAFETY: C strings and a sender that outlives the client.
        let answer = unsafe {
            timLogin(
                client,
                user.as_ptr(),
                user_sig.as_ptr(),
                Some(send_code),
                data_of(sender),
            )
        };
        assert_eq!(answer, code::OK);
        assert_eq!(results.recv_timeout(PATIENCE), Ok(code::OK));
    }

    #[test]
    fn one_user_sees_the_other_come_say_something_and_go() {
        let (server, options) = start();
        let (sender, results) = mpsc::channel();
        let (changed, changes) = mpsc::channel();
        let (alice, bob) = (create(&options), create(&options));
        let see = |user_id: &str, status, custom_status: &str, reason| {
            let expected = Seen {
                user_id: user_id.into(),
                status,
                custom_status: custom_status.into(),
                reason,
            };
            assert_eq!(changes.recv_timeout(PATIENCE), Ok(expected));
        };
        let ids = [c"bob".as_ptr()];
        // SAFETY: C strings, arrays with their true sizes, and senders that outlive the clients.
        unsafe {
            let set = timSetUserStatusChangedCallback(alice, Some(send_changes), data_of(&changed), None);
            assert_eq!(set, code::OK);
            log_in(server, alice, c"alice", &sender, &results);
            see("alice", TIM_STATUS_ONLINE, "", TIM_REASON_LOGIN);
            let subscribed =
                timSubscribeUserStatus(alice, ids.as_ptr(), 1, Some(send_code), data_of(&sender));
            assert_eq!(subscribed, code::OK);
            assert_eq!(results.recv_timeout(PATIENCE), Ok(code::OK));

            log_in(server, bob, c"bob", &sender, &results);
            see("bob", TIM_STATUS_ONLINE, "", TIM_REASON_LOGIN);
            assert_eq!(
                timSetSelfStatus(bob, c"at lunch".as_ptr(), None, null_mut()),
                code::OK
            );
            see("bob", TIM_STATUS_ONLINE, "at lunch", TIM_REASON_CUSTOM_STATUS);
            assert_eq!(timLogout(bob, None, null_mut()), code::OK);
            see("bob", TIM_STATUS_UNLOGINED, "", TIM_REASON_LOGOUT);

            let (mut state, mut now_ms) = (0, 0);
            assert_eq!(timGetLoginState(alice, &raw mut state), code::OK);
            assert_eq!(state, TIM_LOGIN_LOGGED_IN);
            assert_eq!(timGetServerTime(alice, &raw mut now_ms), code::OK);
            assert!(now_ms > 0);
            let user = text_of(|buf, capacity, needed| timGetLoginUser(alice, buf, capacity, needed));
            assert_eq!(user.as_c_str(), c"alice");
        }
        destroy(alice);
        destroy(bob);
        // SAFETY: no requirements.
        unsafe {
            assert_eq!(timServerStop(server, PATIENCE_MS), code::OK);
            assert_eq!(timServerStop(server, PATIENCE_MS), code::INVALID_HANDLE);
        }
    }

    #[test]
    fn what_the_server_functions_are_given_is_checked() {
        let (server, _) = start();
        let (mut buffer, mut needed, mut other) = ([0; 64], 0, 0);
        let mut sign = |user_id: *const c_char, valid_s| {
            // SAFETY: NULL or a C string, and a buffer of its true capacity.
            unsafe {
                timServerIssueUserSig(server, user_id, valid_s, buffer.as_mut_ptr(), 64, &raw mut needed)
            }
        };
        assert_eq!(sign(c"alice".as_ptr(), 60), code::BUFFER_TOO_SMALL);
        assert_eq!(sign(null(), 60), code::NULL_POINTER);
        assert_eq!(sign(c"\xff".as_ptr(), 60), code::NOT_UTF8);
        assert_eq!(sign(c"".as_ptr(), 60), code::INVALID_ARGUMENT);
        assert_eq!(sign(c"alice".as_ptr(), 0), code::INVALID_ARGUMENT);
        assert!(needed > 64);
        // SAFETY: C strings, and places of this function or NULL.
        unsafe {
            assert_eq!(timServerStart(null(), null_mut()), code::NULL_POINTER);
            assert_eq!(
                timServerStart(c"{\"colour\": 1}".as_ptr(), &raw mut other),
                code::INVALID_OPTIONS
            );
            assert!(last_text().contains("colour"));
            assert_eq!(
                timServerAddress(0, null_mut(), 0, &raw mut needed),
                code::INVALID_HANDLE
            );
            assert_eq!(timServerStop(server + 1, 0), code::INVALID_HANDLE);
            assert_eq!(timServerStop(server, PATIENCE_MS), code::OK);
        }
        assert_eq!(other, 0);
    }
}

#[cfg(not(feature = "embedded-server"))]
#[test]
fn without_an_embedded_server_its_functions_say_so() {
    use crate::server::{timServerAddress, timServerIssueUserSig, timServerStart, timServerStop};
    let mut server = 0;
    // SAFETY: NULL and a place of this function.
    unsafe {
        assert_eq!(timServerStart(null(), &raw mut server), code::UNSUPPORTED);
        assert_eq!(timServerAddress(1, null_mut(), 0, null_mut()), code::UNSUPPORTED);
        assert_eq!(
            timServerIssueUserSig(1, null(), 1, null_mut(), 0, null_mut()),
            code::UNSUPPORTED
        );
        assert_eq!(timServerStop(1, 0), code::UNSUPPORTED);
    }
    assert_eq!(server, 0);
}
