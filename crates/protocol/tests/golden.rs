//! Frames recorded once decode for ever, to the same message, and are still what is sent.
//!
//! `data/golden_frames.txt` has a frame a line: a name, and its bytes in hex. Lines are added, never changed: a frame
//! that an old release sent must decode. `TIM_UPDATE=1` appends the frames of [`requests`] and [`server_messages`] that
//! the file lacks.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use bytes::BytesMut;
use presence::ids::SessionId;
use presence::status::Version;
use presence_protocol::frame::{self, Next};
use presence_protocol::message::*;

fn ids(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn known(user_id: &str, version: u64, online: bool) -> KnownUser {
    KnownUser {
        user_id: user_id.into(),
        version: Version(version),
        online,
    }
}

fn requests() -> Vec<(&'static str, u64, Request)> {
    let login = LoginRequest {
        sdk_app_id: 1_400_000_001,
        user_id: "alice".into(),
        user_sig: "eJyrVgrx-not*a*real_".into(),
        platform: "Android".into(),
        instance: "6f9619ff-8b86-d011-b42d-00c04fc964ff".into(),
        session: Some(SessionId(1_844_674_407_370)),
        list_generation: 7,
        known: vec![
            known("bob", 9_007_199_254_740_991, false),
            known("alice", 3, false),
        ],
        client: "tim-presence/0.1.0".into(),
        only_to_log_out: false,
    };
    let late_logout = LoginRequest {
        list_generation: 0,
        known: Vec::new(),
        only_to_log_out: true,
        ..login.clone()
    };
    let first_login = LoginRequest {
        sdk_app_id: 1,
        user_id: "a".into(),
        user_sig: "s".into(),
        platform: "Linux".into(),
        instance: "i".into(),
        session: None,
        list_generation: 0,
        known: Vec::new(),
        client: String::new(),
        only_to_log_out: false,
    };
    let login_after_online = LoginRequest {
        session: Some(SessionId(5)),
        known: vec![known("bob", 9, true), known("carol", 8, false)],
        ..first_login.clone()
    };
    vec![
        ("login", 1, Request::Login(login)),
        ("late_logout", 1, Request::Login(late_logout)),
        ("first_login", 1, Request::Login(first_login)),
        ("login_after_online", 1, Request::Login(login_after_online)),
        ("logout", 2, Request::Logout),
        (
            "renew_user_sig",
            3,
            Request::RenewUserSig {
                user_sig: "eJyrVgrx".into(),
            },
        ),
        (
            "set_self_status",
            4,
            Request::SetSelfStatus {
                custom_status: "在听歌 ♪".into(),
            },
        ),
        (
            "clear_self_status",
            5,
            Request::SetSelfStatus {
                custom_status: String::new(),
            },
        ),
        (
            "get_user_status",
            300,
            Request::GetUserStatus {
                user_ids: ids(&["bob", "carol", "a b", ""]),
            },
        ),
        (
            "subscribe",
            70_000,
            Request::Subscribe {
                user_ids: ids(&["bob", "bob"]),
            },
        ),
        (
            "unsubscribe",
            8,
            Request::Unsubscribe {
                user_ids: ids(&["bob"]),
            },
        ),
        (
            "unsubscribe_all",
            u64::MAX,
            Request::Unsubscribe { user_ids: Vec::new() },
        ),
        ("get_subscriptions", 10, Request::GetSubscriptions),
        ("get_friends", 11, Request::GetFriends),
        (
            "restore_subscriptions",
            12,
            Request::RestoreSubscriptions {
                list_generation: 41,
                user_ids: ids(&["old", "new"]),
            },
        ),
    ]
}

fn online(user_id: &str) -> UserStatus {
    UserStatus {
        user_id: user_id.into(),
        code: 0,
        status: 1,
        custom_status: "in a meeting".into(),
        version: 1_849_000_000_000_123,
        since_ms: 1_764_000_000_123,
        reason: 5,
        platforms: 0b1000_0010,
    }
}

fn server_messages() -> Vec<(&'static str, ServerMessage)> {
    let login = LoginReply {
        session: SessionId(99),
        server_time_ms: 1_764_000_000_000,
        heartbeat_interval_ms: 120_000,
        heartbeat_timeout_ms: 400_000,
        user_sig_expires_ms: 1_779_552_000_000,
        subscriptions: SubscriptionSummary {
            generation: 8,
            restorable: false,
            user_ids: Some(ids(&["bob", "carol"])),
        },
        frame_bytes_max: 131_072,
    };
    let restorable = SubscriptionSummary {
        generation: 1,
        restorable: true,
        user_ids: Some(Vec::new()),
    };
    let current = SubscriptionSummary {
        generation: 8,
        restorable: false,
        user_ids: None,
    };
    let reply = |request_id| Reply {
        request_id,
        ..Reply::default()
    };
    let changed = |user_id: &str, status, version, since_ms, reason| UserStatus {
        user_id: user_id.into(),
        status,
        version,
        since_ms,
        reason,
        ..UserStatus::default()
    };
    vec![
        ("reply_done", ServerMessage::Reply(reply(4))),
        (
            "reply_login",
            ServerMessage::Reply(Reply {
                login: Some(login.clone()),
                ..reply(1)
            }),
        ),
        (
            "reply_login_restorable",
            ServerMessage::Reply(Reply {
                login: Some(LoginReply {
                    subscriptions: restorable,
                    ..login.clone()
                }),
                ..reply(1)
            }),
        ),
        (
            "reply_login_current",
            ServerMessage::Reply(Reply {
                login: Some(LoginReply {
                    subscriptions: current,
                    ..login
                }),
                ..reply(1)
            }),
        ),
        (
            "reply_refused",
            ServerMessage::Reply(Reply {
                code: 7008,
                message: "too many calls".into(),
                retry_after_ms: 4_321,
                ..reply(6)
            }),
        ),
        (
            "reply_users",
            ServerMessage::Reply(Reply {
                users: vec![
                    online("bob"),
                    UserStatus::failed("nobody", 70107),
                    UserStatus::failed("", 7003),
                ],
                evicted: ids(&["zoe"]),
                ..reply(7)
            }),
        ),
        (
            "push",
            ServerMessage::Push(vec![UserStatus {
                platforms: 0,
                ..online("bob")
            }]),
        ),
        (
            "push_two",
            ServerMessage::Push(vec![changed("bob", 2, 5, 1, 4), changed("carol", 3, 6, 2, 2)]),
        ),
        (
            "subscriptions_changed",
            ServerMessage::SubscriptionsChanged(SubscriptionsChanged {
                generation: 9,
                added: ids(&["dave"]),
                removed: ids(&["bob"]),
                evicted: ids(&["zoe", "yan"]),
            }),
        ),
        (
            "session_ended",
            ServerMessage::SessionEnded {
                code: 6208,
                message: "another login took this one's place".into(),
            },
        ),
        (
            "go_away",
            ServerMessage::GoAway {
                spread_ms: 5_000,
                message: "restart".into(),
            },
        ),
    ]
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden_frames.txt")
}

fn recorded() -> BTreeMap<String, Vec<u8>> {
    let text = std::fs::read_to_string(path()).unwrap_or_default();
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (name, hex) = line.split_once(' ').expect("a name and hex");
            let bytes = (0..hex.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex"));
            (name.to_owned(), bytes.collect())
        })
        .collect()
}

/// Every frame of the tables, by name.
fn encoded() -> Vec<(&'static str, Vec<u8>)> {
    let client = requests().into_iter().map(|(name, request_id, request)| {
        let mut buffer = BytesMut::new();
        encode_request(request_id, &request, &mut buffer);
        (name, buffer.to_vec())
    });
    let server = server_messages().into_iter().map(|(name, message)| {
        let mut buffer = BytesMut::new();
        encode_server(&message, &mut buffer);
        (name, buffer.to_vec())
    });
    client.chain(server).collect()
}

fn body<'a>(name: &str, bytes: &'a [u8]) -> &'a [u8] {
    match frame::next(bytes, frame::FRAME_BYTES_MAX) {
        Ok(Next::Frame { body, consumed }) if consumed == bytes.len() => body,
        other => panic!("{name}: not exactly one frame: {other:?}"),
    }
}

#[test]
fn recorded_frames_are_still_what_is_sent_and_decode_to_the_same() {
    if std::env::var_os("TIM_UPDATE").is_some() {
        append_the_missing();
    }
    let recorded = recorded();
    for (name, bytes) in encoded() {
        let golden = recorded
            .get(name)
            .unwrap_or_else(|| panic!("{name} is not recorded: run with TIM_UPDATE=1"));
        assert_eq!(*golden, bytes, "{name}");
    }
    for (name, request_id, request) in requests() {
        assert_eq!(
            decode_request(body(name, &recorded[name])),
            Ok((request_id, request)),
            "{name}"
        );
    }
    for (name, message) in server_messages() {
        assert_eq!(decode_server(body(name, &recorded[name])), Ok(message), "{name}");
    }
}

#[test]
fn every_recorded_frame_has_its_message_here() {
    let known: Vec<_> = encoded().into_iter().map(|(name, _)| name).collect();
    for name in recorded().keys() {
        assert!(
            known.contains(&name.as_str()),
            "{name} was recorded; its message must stay in this file"
        );
    }
}

fn append_the_missing() {
    let recorded = recorded();
    let mut text = std::fs::read_to_string(path()).unwrap_or_else(|_| {
        "# Frames as sent by releases so far; see ../golden.rs. Added to, never changed.\n".into()
    });
    for (name, bytes) in encoded() {
        if !recorded.contains_key(name) {
            let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
                write!(hex, "{byte:02x}").expect("a String grows");
                hex
            });
            writeln!(text, "{name} {hex}").expect("a String grows");
        }
    }
    std::fs::write(path(), text).expect("the file is writable");
}
