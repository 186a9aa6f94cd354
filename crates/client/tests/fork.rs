//! What a forked child sees. Alone in its process, because "we are a child now" holds for all of it.

use std::sync::mpsc;
use std::time::Duration;

use presence_client::{Client, Outcome, after_fork_in_child};
use presence_protocol::errors::code;

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn clients_made_before_a_fork_are_refused_and_new_ones_work() {
    let create =
        || Client::create(r#"{"server":"tim://127.0.0.1:1","sdk_app_id":1,"delivery":"shared"}"#).unwrap();
    let inherited = create();
    after_fork_in_child();
    let done = || Box::new(|_: Outcome| panic!("never"));
    assert_eq!(inherited.get_friends(done()).unwrap_err().code, code::FORKED);
    assert_eq!(
        inherited.login("alice", "sig", done()).unwrap_err().code,
        code::FORKED
    );
    assert_eq!(inherited.destroy(PATIENCE).unwrap_err().code, code::FORKED);
    assert_eq!(
        inherited.destroy_async(Box::new(|| ())).unwrap_err().code,
        code::FORKED
    );

    let fresh = create();
    let (tell, told) = mpsc::channel();
    fresh
        .get_friends(Box::new(move |outcome| tell.send(outcome.code).unwrap()))
        .unwrap();
    assert_eq!(told.recv_timeout(PATIENCE), Ok(code::NOT_LOGGED_IN));
    fresh.destroy(PATIENCE).unwrap();
    // In a real child its threads are not there any more; here they are, and are let be.
    std::mem::forget(inherited);
}
