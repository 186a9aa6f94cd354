//! Logins: who is let in, whom a login ends, and how a session goes on (R8.1–R8.4, R8.9).

mod support;

use std::time::Duration;

use presence::settings::{AppSettings, MultiLogin};
use presence_node::NodeConfig;
use presence_protocol::message::{LoginRequest, Request};
use presence_protocol::user_sig;
use support::{Event, Kind, ONLINE, app, app_id, resume, settings, user};

stories!(
    a_login_is_answered_with_what_the_client_needs_r8_1,
    a_wrong_login_has_its_code_and_ends_the_connection_r8_1,
    before_the_login_everything_else_is_refused_r8_2,
    a_second_login_on_a_connection_is_refused,
    too_many_failed_logins_close_the_door_of_that_account_alone_r8_9,
    one_device_a_platform_is_allowed_r8_3,
    web_has_more_devices_r8_3,
    a_single_device_is_allowed_r8_3,
    any_number_of_devices_is_allowed_r8_3,
    a_displaced_login_does_not_come_back_r8_3,
    a_logout_said_late_shows_nobody_an_online_r8_8,
    requests_sent_along_with_the_login_are_answered_in_order,
    a_user_sig_is_renewed_only_by_a_good_one_r8_4,
    many_logins_at_once_find_their_loops,
);

async fn a_login_is_answered_with_what_the_client_needs_r8_1(kind: Kind) {
    let config = NodeConfig {
        heartbeat_interval: Duration::from_millis(7_000),
        heartbeat_timeout: Duration::from_millis(20_000),
        frame_bytes_max: 50_000,
        ..NodeConfig::default()
    };
    let node = kind.node_with(config, app(settings()));
    let (_client, login, own) = node.login_with(node.login_request("alice")).await;
    assert!(login.session.0 > 0);
    assert_eq!(
        (login.heartbeat_interval_ms, login.heartbeat_timeout_ms),
        (7_000, 20_000)
    );
    assert_eq!(login.frame_bytes_max, 50_000);
    let valid_ms = login.user_sig_expires_ms - login.server_time_ms;
    assert!((86_398_000..=86_400_000).contains(&valid_ms), "{valid_ms}");
    assert!(login.subscriptions.restorable && login.subscriptions.generation > 0);
    assert_eq!(login.subscriptions.user_ids, Some(vec![]));
    assert_eq!((own.status, own.reason), (ONLINE, 1));
    node.stop().await;
}

async fn a_wrong_login_has_its_code_and_ends_the_connection_r8_1(kind: Kind) {
    let node = kind.node(settings());
    let good = node.login_request("alice");
    let other_app = presence::ids::AppId::new(7).expect("not 0");
    let now_s = 1_700_000_000;
    let wrong: Vec<(i32, LoginRequest)> = vec![
        (
            7003,
            LoginRequest {
                user_id: String::new(),
                ..good.clone()
            },
        ),
        (
            7003,
            LoginRequest {
                user_id: "x".repeat(33),
                ..good.clone()
            },
        ),
        (
            7003,
            LoginRequest {
                user_id: "päul".to_owned(),
                ..good.clone()
            },
        ),
        (
            6017,
            LoginRequest {
                instance: String::new(),
                ..good.clone()
            },
        ),
        (
            6017,
            LoginRequest {
                instance: "x".repeat(65),
                ..good.clone()
            },
        ),
        (
            70020,
            LoginRequest {
                sdk_app_id: 0,
                ..good.clone()
            },
        ),
        (
            70020,
            LoginRequest {
                sdk_app_id: 7,
                ..good.clone()
            },
        ),
        (
            70001,
            LoginRequest {
                user_sig: user_sig::sign(app_id(), support::KEY, "alice", now_s, 1),
                ..good.clone()
            },
        ),
        (
            70002,
            LoginRequest {
                user_sig: String::new(),
                ..good.clone()
            },
        ),
        (
            70003,
            LoginRequest {
                user_sig: "garbage".to_owned(),
                ..good.clone()
            },
        ),
        (
            70009,
            LoginRequest {
                user_sig: user_sig::sign(app_id(), "another", "alice", now_s, 1),
                ..good.clone()
            },
        ),
        (
            70013,
            LoginRequest {
                user_sig: node.sign("bob", 60),
                ..good.clone()
            },
        ),
        (
            70014,
            LoginRequest {
                user_sig: user_sig::sign(other_app, support::KEY, "alice", now_s, 1),
                ..good.clone()
            },
        ),
    ];
    for (code, request) in wrong {
        let (mut client, reply) = node.try_login(request).await;
        assert_eq!(reply.code, code, "{}", reply.message);
        assert!(!reply.message.is_empty());
        assert_eq!(reply.login, None);
        client.ended().await;
    }
    node.login("alice").await;
    node.stop().await;
}

async fn before_the_login_everything_else_is_refused_r8_2(kind: Kind) {
    let node = kind.node(settings());
    let mut client = node.connect().await;
    for request in [
        Request::Logout,
        Request::SetSelfStatus {
            custom_status: String::new(),
        },
        Request::GetUserStatus {
            user_ids: vec!["alice".to_owned()],
        },
        Request::GetSubscriptions,
        Request::RenewUserSig {
            user_sig: String::new(),
        },
    ] {
        assert_eq!(client.call(request).await.code, 6014);
    }
    client.hears_nothing().await;
    // It may yet log in, and takes its unread replies along to another loop.
    let early = client.send(Request::GetFriends).await;
    let login = client.send(Request::Login(node.login_request("alice"))).await;
    assert_eq!(client.reply_to(early).await.code, 6014);
    assert_eq!(client.reply_to(login).await.code, 0);
    node.stop().await;
}

async fn a_second_login_on_a_connection_is_refused(kind: Kind) {
    let node = kind.node(settings());
    let mut client = node.login("alice").await;
    for name in ["alice", "bob"] {
        assert_eq!(
            client.call(Request::Login(node.login_request(name))).await.code,
            7014
        );
    }
    assert_eq!(client.set("unharmed").await.code, 0);
    node.stop().await;
}

async fn too_many_failed_logins_close_the_door_of_that_account_alone_r8_9(kind: Kind) {
    let config = NodeConfig {
        login_failures_max: 3,
        ..NodeConfig::default()
    };
    let node = kind.node_with(config, app(settings()));
    let wrong = LoginRequest {
        user_sig: node.sign("bob", 60),
        ..node.login_request("alice")
    };
    for _ in 0..3 {
        assert_eq!(node.try_login(wrong.clone()).await.1.code, 70013);
    }
    let (mut client, reply) = node.try_login(node.login_request("alice")).await;
    assert_eq!(reply.code, 70050, "even with a good UserSig");
    assert!(
        (1..=60_000).contains(&reply.retry_after_ms),
        "{}",
        reply.retry_after_ms
    );
    assert!(reply.message.contains("try again in"), "{}", reply.message);
    client.ended().await;
    node.login("bob").await;
    node.stop().await;
}

async fn one_device_a_platform_is_allowed_r8_3(kind: Kind) {
    let node = kind.node(settings());
    let mut watcher = node.login("watcher").await;
    watcher.follow(&["alice"]).await;
    let mut phone = node.login_device("alice", "iOS", "one").await;
    let mut desk = node.login_device("alice", "Linux", "desk").await;
    watcher.push_of("alice").await;
    phone.set("mine").await;
    assert_eq!(watcher.push_of("alice").await.custom_status, "mine");
    phone.push_of("alice").await;
    desk.push_of("alice").await;

    let mut new_phone = node.login_device("alice", "iOS", "two").await;
    phone.session_ended(6208).await;
    new_phone.set("still").await;
    assert_eq!(desk.push_of("alice").await.custom_status, "still");
    let change = watcher.push_of("alice").await;
    assert_eq!(change.custom_status, "still", "the kick was no change of status");
    node.stop().await;
}

async fn web_has_more_devices_r8_3(kind: Kind) {
    let node = kind.node(AppSettings {
        web_devices_max: 2,
        ..settings()
    });
    let mut first = node.login_device("alice", "Web", "one").await;
    let mut second = node.login_device("alice", "Web", "two").await;
    let _third = node.login_device("alice", "Web", "three").await;
    first.session_ended(6208).await;
    second.hears_nothing().await;
    node.stop().await;
}

async fn a_single_device_is_allowed_r8_3(kind: Kind) {
    let node = kind.node(AppSettings {
        multi_login: MultiLogin::Single,
        ..settings()
    });
    let mut phone = node.login_device("alice", "iOS", "phone").await;
    let _desk = node.login_device("alice", "Linux", "desk").await;
    phone.session_ended(6208).await;
    node.stop().await;
}

async fn any_number_of_devices_is_allowed_r8_3(kind: Kind) {
    let node = kind.node(AppSettings {
        multi_login: MultiLogin::Unlimited,
        ..settings()
    });
    let mut devices = Vec::new();
    for number in 0..20 {
        devices.push(
            node.login_device("alice", "iOS", &format!("phone-{number}"))
                .await,
        );
    }
    devices[7].set("we are many").await;
    for device in &mut devices {
        assert_eq!(device.push_of("alice").await.custom_status, "we are many");
    }
    node.stop().await;
}

async fn a_displaced_login_does_not_come_back_r8_3(kind: Kind) {
    let node = kind.node(settings());
    let request = LoginRequest {
        instance: "one".to_owned(),
        ..node.login_request("alice")
    };
    let (old, login, _) = node.login_with(request.clone()).await;
    drop(old);
    let mut new = node.login_device("alice", "Linux", "two").await;
    let (mut refused, reply) = node.try_login(resume(request.clone(), &login, &[])).await;
    assert_eq!(reply.code, 6208);
    refused.ended().await;
    new.hears_nothing().await;
    // As a new login it displaces.
    let _again = node.login_with(request).await;
    new.session_ended(6208).await;
    node.stop().await;
}

async fn a_logout_said_late_shows_nobody_an_online_r8_8(kind: Kind) {
    let node = kind.node(settings());
    let (old, login, _) = node.login_with(node.login_request("alice")).await;
    let mut bob = node.login("bob").await;
    assert_eq!(bob.follow(&["alice"]).await[0].status, 1);
    drop(old);
    let lost = bob.push_of("alice").await;
    assert_eq!((lost.status, lost.reason), (2, 3), "OFFLINE, LINK_CLOSED");
    let late = LoginRequest {
        only_to_log_out: true,
        ..resume(node.login_request("alice"), &login, &[])
    };
    let (mut client, reply) = node.try_login(late.clone()).await;
    assert_eq!((reply.code, reply.login), (0, None), "not let in");
    client.ended().await;
    let left = bob.push_of("alice").await;
    assert_eq!(
        (left.status, left.reason, left.version > lost.version),
        (3, 2, true),
        "UNLOGINED, LOGOUT, and no ONLINE before it"
    );
    let (mut client, reply) = node
        .try_login(LoginRequest {
            user_sig: "garbage".to_owned(),
            ..late
        })
        .await;
    assert_eq!(reply.code, 70003, "checked as a login is (R8.1)");
    client.ended().await;
    bob.hears_nothing().await;
    node.stop().await;
}

async fn requests_sent_along_with_the_login_are_answered_in_order(kind: Kind) {
    let node = kind.node(settings());
    let _bob = node.login("bob").await;
    let mut client = node.connect().await;
    let ids = [
        client.send(Request::Login(node.login_request("alice"))).await,
        client
            .send(Request::Subscribe {
                user_ids: vec!["bob".to_owned(), "carol".to_owned()],
            })
            .await,
        client
            .send(Request::GetUserStatus {
                user_ids: vec!["bob".to_owned()],
            })
            .await,
        client
            .send(Request::SetSelfStatus {
                custom_status: "quick".to_owned(),
            })
            .await,
        client.send(Request::GetSubscriptions).await,
        client.send(Request::Unknown).await,
        client.send(Request::Logout).await,
    ];
    for (id, code) in ids.into_iter().zip([0, 0, 0, 0, 0, 7013, 0]) {
        assert_eq!(client.reply_to(id).await.code, code, "request {id}");
    }
    while client.next().await != Event::End {}
    node.stop().await;
}

async fn a_user_sig_is_renewed_only_by_a_good_one_r8_4(kind: Kind) {
    let node = kind.node(settings());
    let mut alice = node.login("alice").await;
    let renew = |user_sig: String| Request::RenewUserSig { user_sig };
    assert_eq!(alice.call(renew("garbage".to_owned())).await.code, 70003);
    assert_eq!(alice.call(renew(node.sign("bob", 60))).await.code, 70013);
    assert_eq!(alice.call(renew(node.sign("alice", 60))).await.code, 0);
    let before_the_kick = user_sig::sign(app_id(), support::KEY, "bob", 1_000_000_000, 5_000_000_000);
    let _bob = node.login("bob").await;
    node.admin.kick(user("bob")).await;
    // A UserSig of the same second would be revoked with it, so take one from the future.
    let later = user_sig::sign(app_id(), support::KEY, "bob", 2_000_000_000, 5_000_000_000);
    let (mut bob, reply) = node
        .try_login(LoginRequest {
            user_sig: later,
            ..node.login_request("bob")
        })
        .await;
    assert_eq!(reply.code, 0, "{}", reply.message);
    assert_eq!(bob.call(renew(before_the_kick)).await.code, 70052, "R8.7");
    node.stop().await;
}

async fn many_logins_at_once_find_their_loops(kind: Kind) {
    let node = std::sync::Arc::new(kind.node(settings()));
    let mut logins = tokio::task::JoinSet::new();
    for number in 0..200 {
        let node = std::sync::Arc::clone(&node);
        logins.spawn(async move { node.login(&format!("user-{number}")).await });
    }
    let clients = logins.join_all().await;
    assert_eq!(clients.len(), 200);
    drop(clients);
    std::sync::Arc::into_inner(node)
        .expect("all logins are done")
        .stop()
        .await;
}
