//! Messages: what is encoded decodes to the same, and what this version does not know is survived.

use bytes::BytesMut;
use presence::gates::Call;
use presence::ids::{SessionId, UserId};
use presence::status::{CustomStatus, Presence, Reason, Status, Version};
use presence::time::Wall;
use presence_protocol::frame::{self, Next};
use presence_protocol::message::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// The body of the one frame in `buffer`.
fn body(buffer: &[u8]) -> &[u8] {
    match frame::next(buffer, usize::MAX >> 8) {
        Ok(Next::Frame { body, consumed }) if consumed == buffer.len() => body,
        other => panic!("not exactly one frame: {other:?}"),
    }
}

fn id() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[ -~]{1,32}", 1 => ".{0,40}"]
}

fn ids() -> impl Strategy<Value = Vec<String>> {
    vec(id(), 0..20)
}

fn login_request() -> impl Strategy<Value = LoginRequest> {
    (
        (any::<u64>(), id(), ".{0,300}", ".{0,12}", ".{0,64}"),
        (
            option::of(1u64..),
            any::<u64>(),
            vec((id(), any::<u64>(), any::<bool>()), 0..20),
            ".{0,20}",
            any::<bool>(),
        ),
    )
        .prop_map(
            |(
                (sdk_app_id, user_id, user_sig, platform, instance),
                (session, generation, known, client, leaves),
            )| {
                LoginRequest {
                    sdk_app_id,
                    user_id,
                    user_sig,
                    platform,
                    instance,
                    session: session.map(SessionId),
                    list_generation: generation,
                    known: known
                        .into_iter()
                        .map(|(user_id, version, online)| KnownUser {
                            user_id,
                            version: Version(version),
                            online,
                        })
                        .collect(),
                    client,
                    only_to_log_out: leaves,
                }
            },
        )
}

fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        login_request().prop_map(Request::Login),
        Just(Request::Logout),
        ".{0,300}".prop_map(|user_sig| Request::RenewUserSig { user_sig }),
        ".{0,100}".prop_map(|custom_status| Request::SetSelfStatus { custom_status }),
        ids().prop_map(|user_ids| Request::GetUserStatus { user_ids }),
        ids().prop_map(|user_ids| Request::Subscribe { user_ids }),
        ids().prop_map(|user_ids| Request::Unsubscribe { user_ids }),
        Just(Request::GetSubscriptions),
        Just(Request::GetFriends),
        (any::<u64>(), ids()).prop_map(|(list_generation, user_ids)| Request::RestoreSubscriptions {
            list_generation,
            user_ids
        }),
        Just(Request::Unknown),
    ]
}

fn user_status() -> impl Strategy<Value = UserStatus> {
    (
        id(),
        any::<i32>(),
        any::<i32>(),
        ".{0,100}",
        any::<u64>(),
        any::<i64>(),
        any::<i32>(),
        any::<u32>(),
    )
        .prop_map(
            |(user_id, code, status, custom_status, version, since_ms, reason, platforms)| UserStatus {
                user_id,
                code,
                status,
                custom_status,
                version,
                since_ms,
                reason,
                platforms,
            },
        )
}

fn login_reply() -> impl Strategy<Value = LoginReply> {
    (
        any::<(u64, i64, u32, u32, i64, u32)>(),
        any::<(u64, bool)>(),
        option::of(ids()),
    )
        .prop_map(
            |(
                (session, server_time_ms, interval, timeout, expires, bytes_max),
                (generation, restorable),
                user_ids,
            )| {
                LoginReply {
                    session: SessionId(session),
                    server_time_ms,
                    heartbeat_interval_ms: interval,
                    heartbeat_timeout_ms: timeout,
                    user_sig_expires_ms: expires,
                    subscriptions: SubscriptionSummary {
                        generation,
                        restorable,
                        user_ids,
                    },
                    frame_bytes_max: bytes_max,
                }
            },
        )
}

fn server_message() -> impl Strategy<Value = ServerMessage> {
    prop_oneof![
        (
            any::<(u64, i32, u32)>(),
            ".{0,60}",
            vec(user_status(), 0..20),
            ids(),
            option::of(login_reply())
        )
            .prop_map(
                |((request_id, code, retry_after_ms), message, users, evicted, login)| {
                    ServerMessage::Reply(Reply {
                        request_id,
                        code,
                        message,
                        retry_after_ms,
                        users,
                        evicted,
                        login,
                    })
                }
            ),
        vec(user_status(), 0..20).prop_map(ServerMessage::Push),
        (any::<u64>(), ids(), ids(), ids()).prop_map(|(generation, added, removed, evicted)| {
            ServerMessage::SubscriptionsChanged(SubscriptionsChanged {
                generation,
                added,
                removed,
                evicted,
            })
        }),
        (any::<i32>(), ".{0,60}").prop_map(|(code, message)| ServerMessage::SessionEnded { code, message }),
        (any::<u32>(), ".{0,60}")
            .prop_map(|(spread_ms, message)| ServerMessage::GoAway { spread_ms, message }),
    ]
}

fn presence() -> impl Strategy<Value = Presence> {
    use Reason::{Expired, Kicked, LinkClosed, Login, Logout, Server, Timeout};
    (
        prop_oneof![
            Just(Status::Online),
            Just(Status::Offline),
            Just(Status::Unlogined)
        ],
        "[^\0]{0,300}",
        any::<(u64, i64)>(),
        proptest::sample::select(vec![
            Login,
            Logout,
            LinkClosed,
            Timeout,
            Reason::CustomStatus,
            Kicked,
            Expired,
            Server,
        ]),
    )
        .prop_map(|(status, custom, (version, since), reason)| Presence {
            status,
            custom: CustomStatus::new(&custom, 2_000).expect("no U+0000, and short"),
            version: Version(version),
            since: Wall(since),
            reason,
        })
}

proptest! {
    #[test]
    fn a_request_survives_the_way_to_bytes_and_back(request_id in 1u64.., request in request()) {
        let mut buffer = BytesMut::new();
        encode_request(request_id, &request, &mut buffer);
        prop_assert_eq!(decode_request(body(&buffer)), Ok((request_id, request)));
    }

    #[test]
    fn a_server_message_survives_the_way_to_bytes_and_back(message in server_message()) {
        let mut buffer = BytesMut::new();
        encode_server(&message, &mut buffer);
        prop_assert_eq!(decode_server(body(&buffer)), Ok(message));
    }

    #[test]
    fn a_change_encoded_once_is_the_push_of_that_one_change(user in "[ -~]{1,32}", presence in presence()) {
        let user = UserId::new(&user).unwrap();
        let shared = encode_change(&user, &presence);
        let push = ServerMessage::Push(vec![UserStatus::found(&user, &presence, 0)]);
        let mut buffer = BytesMut::new();
        encode_server(&push, &mut buffer);
        prop_assert_eq!(&shared[..], &buffer[..]);
        prop_assert_eq!(decode_server(body(&shared)), Ok(push));
    }

    #[test]
    fn a_reply_of_borrowed_users_is_that_of_owned_ones(
        users in vec(("[ -~]{1,32}", presence(), any::<u32>(), option::of(any::<i32>())), 0..20),
        evicted in ids(),
    ) {
        let users: Vec<_> = users
            .into_iter()
            .map(|(id, presence, platforms, code)| (UserId::new(&id).unwrap(), presence, platforms, code))
            .collect();
        let borrowed: Vec<StatusRef<'_>> = users
            .iter()
            .map(|(user, presence, platforms, code)| match code {
                Some(code) => StatusRef::Plain { user_id: user.as_str(), code: *code },
                None => StatusRef::Found { user, presence, platforms: *platforms },
            })
            .collect();
        let owned = users
            .iter()
            .map(|(user, presence, platforms, code)| match code {
                Some(code) => UserStatus::failed(user.as_str(), *code),
                None => UserStatus::found(user, presence, *platforms),
            })
            .collect();
        let reply = Reply { request_id: 7, evicted, ..Reply::default() };
        let mut buffer = BytesMut::new();
        encode_reply(&reply, &borrowed, &mut buffer);
        let mut expected = BytesMut::new();
        encode_server(&ServerMessage::Reply(Reply { users: owned, ..reply }), &mut expected);
        prop_assert_eq!(buffer, expected);
    }

    #[test]
    fn a_reply_written_user_by_user_is_that_of_owned_ones_r4_3(
        users in vec(("[ -~]{1,32}", presence(), any::<u32>(), option::of(1i32..)), 0..20),
        room in vec(any::<u8>(), 0..100),
    ) {
        let mut room = room;
        let mut written = UsersReply::begin(&mut room);
        let mut owned = Vec::new();
        for (id, presence, platforms, code) in &users {
            let user = UserId::new(id).unwrap();
            // Not the presence's own, as after a crash.
            let version = Version(presence.version.0 / 2);
            match code {
                Some(code) => {
                    written.failed(id, *code);
                    owned.push(UserStatus::failed(id, *code));
                }
                None => {
                    written.found(&user, presence, version, *platforms);
                    owned.push(UserStatus { version: version.0, ..UserStatus::found(&user, presence, *platforms) });
                }
            }
        }
        let all_failed = users.iter().all(|(.., code)| code.is_some());
        let expected = users.first().and_then(|(.., code)| *code).filter(|_| all_failed).unwrap_or(0);
        prop_assert_eq!(written.code(), expected);
        let message = if all_failed { "why".to_owned() } else { String::new() };
        let reply = Reply { request_id: 7, code: expected, message, retry_after_ms: 3, ..Reply::default() };
        let frame = written.frame(&reply);
        let mut buffer = BytesMut::new();
        encode_server(&ServerMessage::Reply(Reply { users: owned, ..reply }), &mut buffer);
        prop_assert_eq!(&frame[..], &buffer[..]);
    }

    #[test]
    fn ids_read_in_the_frame_are_those_decoded_from_it(
        request_id in 1u64..,
        request in request(),
        damage in option::of((any::<prop::sample::Index>(), 0u8..8)),
    ) {
        let mut buffer = BytesMut::new();
        encode_request(request_id, &request, &mut buffer);
        let mut body = body(&buffer).to_vec();
        if let Some((at, bit)) = damage {
            let at = at.index(body.len());
            body[at] ^= 1 << bit;
        }
        let read = read_request(&body);
        let is_call = matches!(
            request,
            Request::GetUserStatus { .. } | Request::Subscribe { .. } | Request::Unsubscribe { .. }
        );
        let is_short = |id: &&str| id.len() < 128;
        if let Ok((_, Incoming::Call { user_ids, .. })) = &read {
            prop_assert!(user_ids.iter().all(is_short));
        } else {
            prop_assert!(!is_call || damage.is_some() || body.iter().any(|byte| *byte >= 0x80));
        }
        let owned = read.map(|(request_id, incoming)| (request_id, match incoming {
            Incoming::Request(request) => request,
            Incoming::Call { call, user_ids } => {
                let user_ids = user_ids.into_iter().map(str::to_owned).collect();
                match call {
                    Call::Query => Request::GetUserStatus { user_ids },
                    Call::Subscribe => Request::Subscribe { user_ids },
                    Call::Unsubscribe => Request::Unsubscribe { user_ids },
                }
            }
        }));
        prop_assert_eq!(owned, decode_request(&body));
    }

    #[test]
    fn random_bytes_never_panic(bytes: Vec<u8>) {
        // What decodes must also encode, and then decode to the same.
        if let Ok((request_id, request)) = decode_request(&bytes) && request_id > 0 {
            let mut buffer = BytesMut::new();
            encode_request(request_id, &request, &mut buffer);
            prop_assert_eq!(decode_request(body(&buffer)), Ok((request_id, request)));
        }
        if let Ok(message) = decode_server(&bytes) && message != ServerMessage::Unknown {
            let mut buffer = BytesMut::new();
            encode_server(&message, &mut buffer);
            prop_assert_eq!(decode_server(body(&buffer)), Ok(message));
        }
    }

    #[test]
    fn a_damaged_frame_never_panics(message in server_message(), request in request(), at: prop::sample::Index, bit in 0u8..8) {
        let mut buffer = BytesMut::new();
        encode_server(&message, &mut buffer);
        encode_request(1, &request, &mut buffer);
        let at = at.index(buffer.len());
        buffer[at] ^= 1 << bit;
        let mut rest = &buffer[..];
        while let Ok(Next::Frame { body, consumed }) = frame::next(rest, 1 << 20) {
            prop_assert!(consumed > 0 && consumed <= rest.len());
            // Any answer is right; that there is one is what counts, and that it shows no contents.
            if let Err(DecodeError(text)) = decode_server(body) { prop_assert!(text.is_ascii()); }
            if let Err(DecodeError(text)) = decode_request(body) { prop_assert!(text.is_ascii()); }
            rest = &rest[consumed..];
        }
    }
}

#[test]
fn an_unknown_request_body_keeps_its_request_id_and_is_unknown() {
    // request_id 5, field 1000: a message of 3 bytes.
    let bytes = [0x08, 5, 0xc2, 0x3e, 3, 0x0a, 1, b'x'];
    assert_eq!(decode_request(&bytes), Ok((5, Request::Unknown)));
}

#[test]
fn an_unknown_server_body_is_unknown_and_is_never_sent() {
    let bytes = [0xc2, 0x3e, 3, 0x0a, 1, b'x'];
    assert_eq!(decode_server(&bytes), Ok(ServerMessage::Unknown));
    let mut buffer = BytesMut::new();
    encode_server(&ServerMessage::Unknown, &mut buffer);
    assert!(buffer.is_empty());
}

#[test]
fn unknown_fields_inside_known_messages_are_skipped() {
    // SetSelfStatus { custom_status: "a", field 100: 7, field 101: "zz" }
    let bytes = [
        0x08, 1, 0x2a, 11, 0x0a, 1, b'a', 0xa0, 0x06, 7, 0xaa, 0x06, 2, b'z', b'z',
    ];
    assert_eq!(
        decode_request(&bytes),
        Ok((
            1,
            Request::SetSelfStatus {
                custom_status: "a".into()
            }
        ))
    );
}

#[test]
fn unknown_numbers_of_status_and_reason_pass_through() {
    // R2.5: it is the client that reads an unknown status as UNKNOWN; the number survives until there.
    let from_a_newer_server = UserStatus {
        user_id: "a".into(),
        status: 77,
        reason: -3,
        version: 1,
        ..Default::default()
    };
    let message = ServerMessage::Push(vec![from_a_newer_server]);
    let mut buffer = BytesMut::new();
    encode_server(&message, &mut buffer);
    assert_eq!(decode_server(body(&buffer)), Ok(message));
}

#[test]
fn text_that_is_not_utf8_is_refused_without_showing_it() {
    let bytes = [0x08, 1, 0x2a, 4, 0x0a, 2, 0xff, 0xfe];
    let DecodeError(text) = decode_request(&bytes).unwrap_err();
    assert!(text.contains("UTF-8"), "{text}");
    assert!(text.contains("custom_status"), "names the field: {text}");
}

#[test]
fn a_complete_empty_list_differs_from_a_current_copy() {
    for user_ids in [None, Some(Vec::new())] {
        let login = LoginReply {
            session: SessionId(1),
            server_time_ms: 1,
            heartbeat_interval_ms: 1,
            heartbeat_timeout_ms: 1,
            user_sig_expires_ms: 1,
            subscriptions: SubscriptionSummary {
                generation: 3,
                restorable: true,
                user_ids,
            },
            frame_bytes_max: 1,
        };
        let message = ServerMessage::Reply(Reply {
            request_id: 1,
            login: Some(login),
            ..Reply::default()
        });
        let mut buffer = BytesMut::new();
        encode_server(&message, &mut buffer);
        assert_eq!(decode_server(body(&buffer)), Ok(message));
    }
}

#[test]
fn a_login_reply_without_its_list_reads_as_a_current_copy() {
    // Reply { request_id: 1, login: LoginReply { session: 2 } }
    let bytes = [0x0a, 6, 0x08, 1, 0x3a, 2, 0x08, 2];
    let Ok(ServerMessage::Reply(Reply {
        login: Some(login), ..
    })) = decode_server(&bytes)
    else {
        panic!()
    };
    assert_eq!(
        (login.session, login.subscriptions),
        (SessionId(2), SubscriptionSummary::default())
    );
}
