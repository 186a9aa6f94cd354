//! The checker reports what is wrong, and nothing else: each invariant broken by hand, on two devices of a made-up run.

use std::collections::BTreeMap;

use presence_client::{ConnectionState, Outcome};
use presence_protocol::message::UserStatus;
use presence_simulation::Invariant;
use presence_simulation::checker::{Answers, Checker};
use presence_simulation::scenario::{Call, LONG_S, OBSERVER, Scenario};

const ONLINE: i32 = 1;
const OFFLINE: i32 = 2;

/// Ann's first device.
const DEVICE: usize = 1;
/// Ann.
const ANN: usize = 1;

fn status(user: &str, status: i32, version: u64, custom: &str) -> UserStatus {
    UserStatus {
        user_id: user.to_owned(),
        status,
        version,
        custom_status: custom.to_owned(),
        ..UserStatus::default()
    }
}

fn outcome(code: i32, users: Vec<UserStatus>) -> Outcome {
    Outcome {
        code,
        users,
        ..Outcome::default()
    }
}

/// A checker that saw Ann's first device log in at 100 ms and be told its own status.
fn logged_in() -> Checker {
    logged_in_for(60)
}

/// The same, with a UserSig of so many seconds.
fn logged_in_for(valid_s: i64) -> Checker {
    let mut scenario = Scenario::from_seed(1);
    scenario.store = false;
    for device in &mut scenario.devices {
        device.has_data_dir = false;
    }
    scenario.friends.clear();
    let mut checker = Checker::new(&scenario);
    let login = Call::Login { user: ANN, valid_s };
    let id = checker.calling(DEVICE, &login, 100);
    checker.connection(DEVICE, ConnectionState::Connected);
    checker.result(DEVICE, id, &outcome(0, vec![]), 100);
    checker.told(DEVICE, &[status("ann", ONLINE, 5, "")], 100);
    checker
}

fn found(checker: &Checker) -> Vec<Invariant> {
    checker
        .violations()
        .iter()
        .map(|violation| violation.invariant)
        .collect()
}

/// Ann's device in calm: what it is answered.
fn calm(checker: &mut Checker, list: &[&str], query: Vec<UserStatus>) {
    let list = list.iter().map(|id| status(id, ONLINE, 1, "")).collect();
    let answers = Answers {
        user: ANN,
        list: Some(outcome(0, list)),
        query: Some(outcome(0, query)),
    };
    checker.check_calm(&BTreeMap::from([(DEVICE, answers)]), 1_000);
}

#[test]
fn a_sound_run_is_not_reported() {
    let mut checker = logged_in();
    let set = Call::SetStatus("busy".to_owned());
    let id = checker.calling(DEVICE, &set, 200);
    checker.result(DEVICE, id, &outcome(0, vec![]), 210);
    checker.told(DEVICE, &[status("ann", ONLINE, 6, "busy")], 210);
    checker.told(
        DEVICE,
        &[status("ann", ONLINE, 7, ""), status("ben", OFFLINE, 3, "")],
        220,
    );
    let answers = vec![status("ann", ONLINE, 7, ""), status("ben", OFFLINE, 3, "")];
    calm(&mut checker, &["ben"], answers);
    assert_eq!(found(&checker), []);
}

#[test]
fn a_version_told_twice_or_going_back_is_reported_i3() {
    for version in [5, 4] {
        let mut checker = logged_in();
        checker.told(DEVICE, &[status("ann", ONLINE, version, "")], 200);
        assert_eq!(found(&checker), [Invariant::VersionsRise]);
    }
    let mut checker = logged_in();
    checker.told(DEVICE, &[status("ben", ONLINE, 9, "")], 200);
    let id = checker.calling(DEVICE, &Call::Subscribe(vec![2]), 210);
    let snapshot = outcome(0, vec![status("ben", ONLINE, 8, "")]);
    checker.result(DEVICE, id, &snapshot, 220);
    assert_eq!(found(&checker), [Invariant::VersionsRise]);
}

#[test]
fn versions_begin_anew_with_a_login_and_not_with_a_reconnect_i3() {
    let mut checker = logged_in();
    checker.connection(DEVICE, ConnectionState::Disconnected);
    checker.connection(DEVICE, ConnectionState::Connected);
    checker.told(DEVICE, &[status("ann", ONLINE, 5, "")], 200);
    assert_eq!(found(&checker), [Invariant::VersionsRise], "R6.6: repeated");

    let mut checker = logged_in();
    let logout = checker.calling(DEVICE, &Call::Logout, 200);
    checker.result(DEVICE, logout, &outcome(0, vec![]), 210);
    let login = Call::Login {
        user: ANN,
        valid_s: 60,
    };
    let id = checker.calling(DEVICE, &login, 220);
    checker.result(DEVICE, id, &outcome(0, vec![]), 230);
    checker.told(DEVICE, &[status("ann", ONLINE, 5, "")], 230);
    assert_eq!(found(&checker), []);
}

#[test]
fn a_custom_status_without_online_is_reported_i5() {
    let mut checker = logged_in();
    checker.told(DEVICE, &[status("ben", OFFLINE, 9, "busy")], 200);
    assert_eq!(found(&checker), [Invariant::CustomOnlyOnline]);
}

#[test]
fn a_notification_before_its_result_is_reported_r6_4() {
    let mut checker = logged_in();
    checker.calling(DEVICE, &Call::SetStatus("busy".to_owned()), 200);
    checker.told(DEVICE, &[status("ann", ONLINE, 6, "busy")], 210);
    assert_eq!(found(&checker), [Invariant::ResultFirst]);
}

#[test]
fn a_notification_while_disconnected_or_logged_out_is_reported_r6_8() {
    let mut checker = logged_in();
    checker.connection(DEVICE, ConnectionState::Disconnected);
    checker.told(DEVICE, &[status("ben", ONLINE, 6, "")], 200);
    assert_eq!(found(&checker), [Invariant::Silence]);

    let mut checker = logged_in();
    checker.ended(DEVICE, 200);
    checker.told(DEVICE, &[status("ben", ONLINE, 6, "")], 200);
    assert_eq!(found(&checker), [Invariant::Silence]);
}

#[test]
fn results_that_are_missing_repeated_or_out_of_order_are_reported() {
    let mut checker = logged_in();
    let first = checker.calling(DEVICE, &Call::List, 200);
    let second = checker.calling(DEVICE, &Call::List, 200);
    checker.result(DEVICE, second, &outcome(0, vec![]), 210);
    assert_eq!(found(&checker), [Invariant::OneResult], "out of order");
    checker.result(DEVICE, second, &outcome(0, vec![]), 220);
    assert_eq!(found(&checker).len(), 2, "a second one");
    checker.check_results(DEVICE, 230);
    assert_eq!(found(&checker).len(), 3, "none in time");
    checker.result_lost(DEVICE, first, 240);
    assert_eq!(found(&checker), [Invariant::OneResult; 4], "dropped");
}

#[test]
fn a_ghost_is_reported_in_trouble_only_past_the_bound_i1() {
    let scenario = Scenario {
        store: false,
        ..Scenario::from_seed(1)
    };
    for (late_ms, expected) in [(0, vec![]), (1, vec![Invariant::NoGhost])] {
        let mut checker = logged_in();
        checker.killed(DEVICE, 200);
        let asked_at_ms = 200 + scenario.ghost_bound_ms() + late_ms;
        let id = checker.calling(OBSERVER, &Call::Query(vec![ANN]), asked_at_ms);
        let answer = outcome(0, vec![status("ann", ONLINE, 5, "")]);
        checker.result(OBSERVER, id, &answer, asked_at_ms + 10);
        assert_eq!(found(&checker), expected);
    }
}

#[test]
fn a_ghost_and_a_false_offline_are_reported_in_calm_i1_i2() {
    let mut checker = logged_in();
    calm(
        &mut checker,
        &[],
        vec![status("ann", ONLINE, 5, ""), status("ben", ONLINE, 2, "")],
    );
    assert_eq!(found(&checker), [Invariant::NoGhost]);

    let mut checker = logged_in();
    checker.told(DEVICE, &[status("ann", OFFLINE, 6, "")], 200);
    calm(&mut checker, &[], vec![status("ann", OFFLINE, 6, "")]);
    assert_eq!(found(&checker), [Invariant::NoFalseOffline]);
}

#[test]
fn a_final_state_that_was_not_told_is_reported_i7_i10() {
    let mut checker = logged_in();
    let answers = vec![status("ann", ONLINE, 6, ""), status("ben", OFFLINE, 3, "")];
    calm(&mut checker, &["ben"], answers);
    assert_eq!(found(&checker), [Invariant::OwnStatus, Invariant::FinalState]);
}

#[test]
fn a_change_seen_while_the_server_restarts_in_order_is_reported_r2_9() {
    let own = || vec![status("ann", ONLINE, 5, "")];
    let mut checker = logged_in();
    checker.told(DEVICE, &[status("ann", OFFLINE, 6, "")], 200);
    assert_eq!(found(&checker), [], "no restart");

    for (valid_s, expected) in [(60, vec![]), (LONG_S, vec![Invariant::RestartUnseen; 2])] {
        let mut checker = logged_in_for(valid_s);
        calm(&mut checker, &[], own());
        checker.restart_begins();
        checker.told(DEVICE, &[status("ann", OFFLINE, 6, "")], 1_100);
        checker.told(DEVICE, &[status("ann", ONLINE, 7, "")], 1_200);
        checker.told(DEVICE, &[status("ann", ONLINE, 8, "busy")], 1_300);
        checker.restart_is_over();
        checker.told(DEVICE, &[status("ann", OFFLINE, 9, "")], 1_400);
        assert_eq!(found(&checker), expected, "a UserSig of {valid_s} s");
    }
}

#[test]
fn a_list_that_breaks_its_bounds_is_reported_i6() {
    let own = || vec![status("ann", ONLINE, 5, "")];
    for list in [&["ann"][..], &["dee", "dee"]] {
        let mut checker = logged_in();
        calm(&mut checker, list, own());
        assert_eq!(found(&checker), [Invariant::Lists], "{list:?}");
    }
}

#[test]
fn an_answer_that_does_not_come_in_calm_is_reported() {
    let mut checker = logged_in();
    let answers = Answers {
        user: ANN,
        ..Answers::default()
    };
    checker.check_calm(&BTreeMap::from([(DEVICE, answers)]), 1_000);
    assert_eq!(found(&checker), [Invariant::OneResult]);
}
