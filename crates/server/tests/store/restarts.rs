//! What users see of a restart.

use presence_protocol::message::Request;

use crate::http::Admin;
use crate::{
    APP, Place, Resume, await_push, kill, known, log_in, online, pushed, query, query_all, set_custom,
    signed, stop, subscribe,
};

const ONLINE: i32 = 1;
const OFFLINE: i32 = 2;
const UNLOGINED: i32 = 3;
/// R6.7.
const SERVER: i32 = 8;

/// R2.9, R8.3, R5.8, R6.6: in order, nothing is lost and nobody is told anything.
#[test]
fn a_restart_in_order_is_not_noticed_by_those_who_return() {
    let place = Place::new("order", "", "");
    let server = place.start();
    let (mut alice, login) = online(&server, "alice");
    let (mut bob, bob_login) = online(&server, "bob");
    subscribe(&mut bob, &["alice"]);
    set_custom(&mut alice, "busy");
    let told = query(&mut bob, "alice");
    let own = query(&mut bob, "bob");
    stop(server);

    let server = place.start();
    let resume = Resume {
        session: Some(bob_login.session),
        known: [&told, &own].map(|of| known(&of.user_id, of.version)).to_vec(),
        ..Resume::default()
    };
    let (mut bob, again) = log_in(&server, "bob", resume);
    assert_eq!(again.session, bob_login.session, "R8.3");
    assert_eq!(again.subscriptions.user_ids, Some(vec!["alice".to_owned()]));
    let told_again: Vec<_> = pushed(&mut bob, "alice")
        .into_iter()
        .filter(|change| change.user_id == "alice")
        .collect();
    assert_eq!(told_again, [], "R6.6: nothing differs");
    let shown = query(&mut bob, "alice");
    assert_eq!((shown.status, shown.custom_status.as_str()), (ONLINE, "busy"));
    assert_eq!(shown.version, told.version);
    let resume = Resume {
        session: Some(login.session),
        ..Resume::default()
    };
    let (_alice, again) = log_in(&server, "alice", resume);
    assert_eq!(again.session, login.session);
    assert_eq!(query(&mut bob, "alice").version, told.version, "never away");
}

/// R2.9, R3.3, R6.5, R6.7.
#[test]
fn whoever_stays_away_after_a_crash_becomes_offline_and_its_watchers_hear_of_it() {
    let place = Place::new("away", "restart_grace_ms = 1500", "");
    let server = place.start();
    let (mut alice, _) = online(&server, "alice");
    let (mut bob, _) = online(&server, "bob");
    set_custom(&mut alice, "busy");
    subscribe(&mut bob, &["alice"]);
    let told = query(&mut bob, "alice");
    set_custom(&mut bob, "the last");
    place.await_kept("busy");
    place.await_kept("the last");
    kill(server);

    let server = place.start();
    let (mut bob, login) = online(&server, "bob");
    assert_eq!(
        login.subscriptions.user_ids,
        Some(vec!["alice".to_owned()]),
        "the list is as it was"
    );
    let mut heard = await_push(&mut bob, "alice");
    assert!(heard.version > told.version, "R6.5: above all given out before");
    while heard.status == ONLINE {
        heard = await_push(&mut bob, "alice");
    }
    assert_eq!(
        (heard.status, heard.reason, heard.custom_status.as_str()),
        (OFFLINE, SERVER, "")
    );
}

/// R6.5, R6.6: a crash raises every version and changes no status, so who knew what was kept is told nothing.
#[test]
fn whoever_knew_what_was_kept_is_told_nothing_after_a_crash() {
    let place = Place::new("knew", "", "");
    let server = place.start();
    let (mut alice, _) = online(&server, "alice");
    let (mut bob, login) = online(&server, "bob");
    subscribe(&mut bob, &["alice"]);
    set_custom(&mut alice, "kept by then");
    set_custom(&mut bob, "and this");
    let told = query(&mut bob, "alice");
    let own = query(&mut bob, "bob");
    place.await_kept("kept by then");
    place.await_kept("and this");
    kill(server);

    let server = place.start();
    let back = |told: [(&str, u64); 2]| {
        let resume = Resume {
            session: Some(login.session),
            known: told.map(|(user, version)| known(user, version)).to_vec(),
            ..Resume::default()
        };
        let (mut bob, _) = log_in(&server, "bob", resume);
        let pushed = pushed(&mut bob, "alice");
        (query(&mut bob, "alice"), pushed, bob)
    };
    let (shown, pushed, _bob) = back([("alice", told.version), ("bob", own.version)]);
    assert!(shown.version > told.version && shown.custom_status == told.custom_status);
    assert_eq!(pushed, [], "R6.6");
    // A client that was told of a change that was lost hears what is true now.
    let (_, pushed, _again) = back([("alice", told.version + 1), ("bob", own.version + 1)]);
    for (user, text) in [("alice", "kept by then"), ("bob", "and this")] {
        let heard = pushed.iter().find(|change| change.user_id == user);
        let heard = heard.unwrap_or_else(|| panic!("nothing of {user} in {pushed:?}"));
        assert_eq!(heard.custom_status, text);
    }
}

/// R7.6: whoever changed a setting last is right.
#[test]
fn settings_changed_at_run_time_stay_until_the_file_changes_them() {
    let place = Place::new(
        "settings",
        "admin_listen = \"127.0.0.1:0\"",
        "administrators = [\"boss\"]",
    );
    let start = || {
        let mut server = place.start();
        let line = server.stdout_line();
        let address = line
            .strip_prefix("administration at http://")
            .expect("its address");
        let admin = Admin {
            address: address.parse().expect("IP:PORT"),
            app: APP.to_string(),
            user: "boss".to_owned(),
            user_sig: signed("boss"),
        };
        (server, admin)
    };
    let limits = |admin: &Admin| {
        let settings = &admin.v1("GET", "/app", "").body["settings"];
        (
            settings["rate_calls"].clone(),
            settings["subscriptions_max"].clone(),
        )
    };
    let (server, admin) = start();
    let answer = admin.v1("PATCH", "/app", r#"{"rate_calls": 33, "subscriptions_max": 44}"#);
    assert_eq!(answer.status, 200, "{}", answer.body);
    stop(server);
    let (server, admin) = start();
    assert_eq!(limits(&admin), (33.into(), 44.into()));
    stop(server);
    place.configure(
        "admin_listen = \"127.0.0.1:0\"",
        "administrators = [\"boss\"]\nrate_calls = 55",
    );
    for _ in 0..2 {
        let (server, admin) = start();
        assert_eq!(limits(&admin), (55.into(), 44.into()));
        stop(server);
    }
}

/// R8.7, R9.1, R7.6: what the file says at the next start does not undo what is kept.
#[test]
fn accounts_logouts_and_the_files_settings_are_as_they_were_left() {
    let place = Place::new("left", "", "accounts = [\"carol\"]\nrate_calls = 7");
    let server = place.start();
    let (mut alice, _) = online(&server, "alice");
    assert_eq!(alice.request(&Request::Logout).code, 0);
    stop(server);
    place.configure("", "rate_calls = 0\n[apps.friends]\nbob = [\"alice\"]");
    for _ in 0..2 {
        let server = place.start();
        let (mut bob, _) = online(&server, "bob");
        let reply = query_all(&mut bob, &["alice", "carol", "nobody"]);
        let shown: Vec<(i32, i32)> = reply.users.iter().map(|user| (user.code, user.status)).collect();
        assert_eq!(shown, [(0, UNLOGINED), (0, UNLOGINED), (70_107, 0)], "R4.3");
        // The file's limit is the one that was written there last.
        for _ in 0..30 {
            assert_eq!(query_all(&mut bob, &["alice"]).code, 0);
        }
        stop(server);
    }
}
