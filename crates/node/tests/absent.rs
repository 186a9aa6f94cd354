//! Users of whom an earlier start told and whom this start does not know, in virtual time (R2.9): as after a crash, or a
//! restart without a store.

mod support;

use presence::settings::{AppSettings, Plan};
use presence::status::Reason;
use presence_protocol::message::{KnownUser, LoginReply, LoginRequest, Request};
use support::{
    Kind, OFFLINE, ONLINE, START_S, TestClient, TestNode, UNLOGINED, app_id, names, resume, seconds,
    settings, told, user, user_id,
};

/// Whoever is mentioned and not back has no account.
fn on() -> AppSettings {
    AppSettings {
        auto_register_on_mention: false,
        ..settings()
    }
}

/// `watcher`'s client comes back, was told this by an earlier start, and restores its list.
async fn returns(node: &TestNode, watcher: &str, known: &[KnownUser]) -> (TestClient, LoginReply) {
    let request = LoginRequest {
        known: known.to_vec(),
        ..node.login_request(watcher)
    };
    let (mut client, login, _) = node.login_with(request).await;
    let restore = Request::RestoreSubscriptions {
        list_generation: login.subscriptions.generation,
        user_ids: known.iter().map(|known| known.user_id.clone()).collect(),
    };
    assert_eq!(client.call(restore).await.code, 0);
    client.list_change().await;
    (client, login)
}

/// By the wall clock: 45 s after the start.
const END_OF_GRACE_MS: i64 = (START_S + 45) * 1000;

async fn configure(node: &TestNode, settings: &AppSettings) {
    assert!(node.admin.set_app_settings(app_id(), settings.clone()).await);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_come_back_after_a_restart_is_offline_to_whoever_was_told_of_it_r2_9() {
    let node = Kind::Memory.node(on());
    let known = [
        told("bob", 7, ONLINE),
        told("carol", 7, ONLINE),
        told("dave", 7, ONLINE),
        told("heidi", 7, OFFLINE),
        told("frank", 7, UNLOGINED),
        told("grace", 7, ONLINE),
    ];
    let (mut alice, login) = returns(&node, "alice", &known).await;
    seconds(20).await;
    let bob = node.login("bob").await;
    assert_eq!(alice.push_of("bob").await.status, ONLINE);
    // R8.8: grace logged out when there was no server, and says so now.
    let late = LoginRequest {
        only_to_log_out: true,
        ..resume(node.login_request("grace"), &login, &[])
    };
    assert_eq!(node.try_login(late).await.1.code, 0);
    let grace = alice.push_of("grace").await;
    assert_eq!(grace.status, UNLOGINED);
    seconds(20).await;
    alice.hears_nothing().await;
    // restart_grace is 45 s; whom nobody waits for any more is told within 5 s.
    seconds(6).await;
    let gone = [alice.push().await, alice.push().await];
    assert_eq!(names(&gone), ["carol", "dave"]);
    for user in &gone {
        assert_eq!((user.status, user.reason), (OFFLINE, Reason::Server as i32));
        assert_eq!(user.since_ms, END_OF_GRACE_MS);
    }
    alice.hears_nothing().await;

    // Who returns later is told what it does not know: of carol by the restart alone, of dave nothing new, and of erin
    // nothing at all, whom it does not watch.
    drop(alice);
    let mut stale = gone[0].clone();
    stale.version = 7;
    stale.status = ONLINE;
    let mut stranger = stale.clone();
    stranger.user_id = "erin".to_owned();
    let known = [&stale, &gone[1], &stranger, &grace];
    let (mut alice, _, _) = node
        .login_with(resume(node.login_request("alice"), &login, &known))
        .await;
    assert_eq!(
        alice.push().await.user_id,
        "bob",
        "it is there, and was not named"
    );
    let again = alice.push_of("carol").await;
    assert_eq!((again.status, again.version), (OFFLINE, gone[0].version));
    alice.hears_nothing().await;

    // A version that says nothing of whoever comes after all (R6.5).
    let _carol = node.login("carol").await;
    let back = alice.push_of("carol").await;
    assert_eq!(back.status, ONLINE);
    assert!(back.version > again.version);
    drop(bob);
    node.stop().await;
}

/// R2.9 with friends, whom nobody restores: what counts is what the client was told.
#[tokio::test(start_paused = true)]
async fn a_friend_who_does_not_come_back_is_offline_to_whoever_was_told_of_it_r2_9() {
    let (node, mut alice) = with_a_friend_away().await;
    seconds(44).await;
    alice.hears_nothing().await;
    seconds(6).await;
    assert_eq!(alice.push_of("bob").await.status, OFFLINE);
    alice.hears_nothing().await;
    node.stop().await;
}

fn friends_told() -> AppSettings {
    AppSettings {
        friend_status_notify: true,
        ..on()
    }
}

/// Alice is back; of her friends she was told of bob alone.
async fn with_a_friend_away() -> (TestNode, TestClient) {
    let node = Kind::Memory.node(friends_told());
    let friends = ["bob", "carol"].map(user_id).to_vec();
    assert!(node.admin.set_friends(user("alice"), friends).await);
    let request = LoginRequest {
        known: vec![told("bob", 7, ONLINE)],
        ..node.login_request("alice")
    };
    let (alice, _, _) = node.login_with(request).await;
    (node, alice)
}

/// The switch is off, or the plan lost, when the grace ends.
#[tokio::test(start_paused = true)]
async fn who_may_not_be_told_at_the_end_of_the_grace_is_told_when_the_settings_allow_it_r2_9_r7_3() {
    let switched_off = AppSettings {
        user_status: false,
        ..on()
    };
    let plan_lost = AppSettings {
        plan: Plan::Basic,
        ..on()
    };
    for off in [switched_off, plan_lost] {
        let node = Kind::Memory.node(on());
        let known = [told("bob", 7, ONLINE), told("carol", 7, ONLINE)];
        let (mut alice, _) = returns(&node, "alice", &known).await;
        configure(&node, &off).await;
        seconds(60).await;
        let _bob = node.login("bob").await;
        alice.hears_nothing().await;

        configure(&node, &on()).await;
        let heard = [alice.push().await, alice.push().await];
        assert_eq!(names(&heard), ["bob", "carol"]);
        let [bob, carol] = heard;
        assert_eq!((bob.status, carol.status), (ONLINE, OFFLINE));
        assert_eq!(
            (carol.reason, carol.since_ms),
            (Reason::Server as i32, END_OF_GRACE_MS)
        );
        // Once.
        configure(&node, &off).await;
        configure(&node, &on()).await;
        seconds(30).await;
        alice.hears_nothing().await;
        node.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_friend_who_may_not_be_told_of_at_the_end_of_the_grace_is_told_of_when_the_switch_is_on_r2_9_r7_4()
{
    let (node, mut alice) = with_a_friend_away().await;
    configure(&node, &on()).await;
    seconds(60).await;
    alice.hears_nothing().await;
    configure(&node, &friends_told()).await;
    assert_eq!(alice.push_of("bob").await.status, OFFLINE);
    seconds(30).await;
    alice.hears_nothing().await;
    node.stop().await;
}

/// Settings that say nothing new of what may be told do not end the grace early.
#[tokio::test(start_paused = true)]
async fn a_switch_that_goes_on_within_the_grace_tells_of_nobody_too_early_r2_9() {
    let node = Kind::Memory.node(on());
    let (mut alice, _) = returns(&node, "alice", &[told("bob", 7, ONLINE)]).await;
    let off = AppSettings {
        user_status: false,
        ..on()
    };
    configure(&node, &off).await;
    configure(&node, &on()).await;
    seconds(44).await;
    alice.hears_nothing().await;
    seconds(6).await;
    assert_eq!(alice.push_of("bob").await.status, OFFLINE);
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_logs_out_or_unsubscribes_waits_for_nobody_any_more_r2_9() {
    let node = Kind::Memory.node(on());
    let known = [told("bob", 7, ONLINE), told("carol", 7, ONLINE)];
    let (alice, _) = returns(&node, "alice", &known).await;
    let (mut dora, _) = returns(&node, "dora", &known).await;
    assert_eq!(dora.unsubscribe(&["bob"]).await.code, 0);
    dora.list_change().await;
    let off = AppSettings {
        user_status: false,
        ..on()
    };
    configure(&node, &off).await;
    seconds(60).await;
    // The list lingers, and another device has it, which was told nothing of carol by any start.
    alice.log_out().await;
    let mut phone = node.login_device("alice", "iOS", "phone").await;
    configure(&node, &on()).await;
    assert_eq!(dora.push_of("carol").await.status, OFFLINE);
    seconds(30).await;
    for client in [&mut dora, &mut phone] {
        client.hears_nothing().await;
    }
    assert_eq!(names(&phone.subscriptions().await), ["bob", "carol"]);
    node.stop().await;
}
