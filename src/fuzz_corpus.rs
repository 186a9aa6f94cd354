//! Replays what the fuzzers found worth keeping (`fuzz/corpus/`), so that each `cargo test` has it, with no fuzzer
//! installed. docs/TESTING.md says how the corpora are made.

use std::path::Path;

#[path = "../fuzz/src/checks.rs"]
mod checks;
#[path = "../fuzz/src/session.rs"]
mod session;
#[path = "../fuzz/src/websocket.rs"]
mod websocket;

/// Runs `check` on each file of a corpus, and says which file it was if it panics.
fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut replayed = 0;
    for entry in std::fs::read_dir(&folder).expect("the corpus is in the repository") {
        let path = entry.expect("the folder can be read").path();
        let bytes = std::fs::read(&path).expect("the file can be read");
        if std::panic::catch_unwind(|| check(&bytes)).is_err() {
            panic!("{} fails: see above", path.display());
        }
        replayed += 1;
    }
    assert!(replayed > 5, "{} holds only {replayed} files", folder.display());
}

#[test]
fn frames_of_the_corpus_are_cut_and_read_as_promised() {
    replay("frames", checks::frames);
}

#[test]
fn client_options_of_the_corpus_are_accepted_or_refused_with_a_reason() {
    replay("client_options", checks::client_options);
}

#[test]
fn server_options_of_the_corpus_are_accepted_or_refused_with_a_reason() {
    replay("server_options", checks::server_options);
}

#[test]
fn no_user_sig_of_the_corpus_is_accepted_that_the_key_did_not_make() {
    replay("user_sig", checks::user_sig);
}

#[test]
fn whatever_a_server_of_the_corpus_says_each_call_completes_once_and_no_version_goes_back() {
    replay("session", session::session);
}

#[test]
fn websockets_of_the_corpus_are_read_the_same_however_they_are_cut() {
    replay("websocket", websocket::websocket);
}
