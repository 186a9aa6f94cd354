//! Bugs planted on purpose are found, each as a violation of the invariant it breaks. A checker that finds nothing here
//! would prove nothing elsewhere.

use presence_simulation::{Invariant, Plant, run};

/// Seeds to look through: the likeliest bug shows in every second one, the rarest in one of twelve.
const SEEDS: u64 = 40;

/// Runs seeds until the bug shows, as this invariant.
fn is_found(plant: Plant, invariant: Invariant) {
    for seed in 0..SEEDS {
        let report = run(seed, Some(plant), false);
        if report.violates(invariant) {
            return;
        }
    }
    panic!("{plant:?} was not found as a violation of {invariant} in {SEEDS} seeds");
}

#[test]
fn a_node_that_never_notices_silence_leaves_ghosts_i1() {
    is_found(Plant::DeafToSilence, Invariant::NoGhost);
}

#[test]
fn a_link_that_swallows_a_notification_spoils_the_final_state_i7() {
    is_found(Plant::LostNotification, Invariant::FinalState);
}

#[test]
fn a_client_that_forgets_what_it_told_repeats_itself_i3() {
    is_found(Plant::ForgetfulClient, Invariant::VersionsRise);
}

#[test]
fn a_restart_without_grace_is_seen_r2_9() {
    is_found(Plant::NoRestartGrace, Invariant::RestartUnseen);
}

#[test]
fn a_store_that_forgets_what_it_kept_is_seen_at_a_restart_r2_9() {
    is_found(Plant::ForgetfulStore, Invariant::RestartUnseen);
}

#[test]
fn a_store_whose_floor_goes_back_is_not_believed_i7() {
    is_found(Plant::FloorGoesBack, Invariant::FinalState);
}

#[test]
fn a_server_whose_versions_go_back_is_not_believed_i7() {
    is_found(Plant::ClockSetBack, Invariant::FinalState);
}
