//! The files themselves: refused where they are not right, backed up, restored.

use std::path::Path;
use std::process::Output;

use crate::support::run;
use crate::{Place, await_push, kill, online, query, set_custom, stop, subscribe};

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A server that must not start: its exit code and what it says.
fn refused(place: &Place) -> (Option<i32>, String) {
    let output = run(&["--config", &place.file.path()]);
    (output.status.code(), text(&output))
}

fn backup(place: &Place, to: &Path) -> Output {
    run(&["backup", path(to), "--config", &place.file.path()])
}

fn restore(place: &Place, from: &Path, replace: bool) -> Output {
    let mut arguments = vec!["restore", path(from)];
    let config = place.file.path();
    arguments.extend(["--config", &config]);
    if replace {
        arguments.push("--replace");
    }
    run(&arguments)
}

fn path(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn a_foreign_file_is_refused_and_left_as_it_is() {
    let place = Place::new("foreign", "", "");
    std::fs::create_dir_all(place.folder()).expect("a folder");
    for foreign in [&b"SQLite format 3\0 and more"[..], b"x", &[0; 100_000]] {
        std::fs::write(place.database(), foreign).expect("written");
        let (code, said) = refused(&place);
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains("is not a store of tim-presence-server"), "{said}");
        assert_eq!(std::fs::read(place.database()).expect("there"), foreign);
    }
}

/// Every page is checked before anything is written.
#[test]
fn a_damaged_file_is_refused_and_left_as_it_is() {
    let place = Place::new("damaged", "", "");
    let server = place.start();
    let (mut alice, _) = online(&server, "alice");
    set_custom(&mut alice, "a text to be found in the file");
    stop(server);
    let whole = std::fs::read(place.database()).expect("there");
    let needle = b"a text to be found";
    let at = whole
        .windows(needle.len())
        .position(|window| window == needle)
        .expect("in the file");
    let mut flipped = whole.clone();
    flipped[at] ^= 1;
    let cut = whole[..whole.len() / 2].to_vec();
    for damaged in [flipped, cut] {
        std::fs::write(place.database(), &damaged).expect("written");
        let (code, said) = refused(&place);
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains("is damaged"), "{said}");
        assert!(
            said.contains("tim-presence-server restore"),
            "says what to do: {said}"
        );
        assert!(
            std::fs::read(place.database()).expect("there") == damaged,
            "not a byte was changed"
        );
    }
    std::fs::write(place.database(), &whole).expect("written");
    let server = place.start();
    let (mut bob, _) = online(&server, "bob");
    assert_eq!(
        query(&mut bob, "alice").custom_status,
        "a text to be found in the file"
    );
}

#[test]
fn a_second_server_on_the_same_folder_is_refused() {
    let place = Place::new("two", "", "");
    let server = place.start();
    let (code, said) = refused(&place);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("is in use by another server"), "{said}");
    let (_alice, login) = online(&server, "alice");
    assert!(login.session.0 > 0, "the first is not disturbed");
    let output = restore(&place, Path::new(&place.file.path()), true);
    assert_eq!(output.status.code(), Some(3), "nor can it be restored over");
}

#[test]
fn a_backup_of_a_running_server_is_restored_and_shows_nothing_older_than_was_shown() {
    let place = Place::new("backup", "", "");
    let target = place.folder().with_file_name("of the day.backup");
    let server = place.start();
    let (mut alice, _) = online(&server, "alice");
    let (mut bob, _) = online(&server, "bob");
    subscribe(&mut bob, &["alice"]);
    set_custom(&mut alice, "in the backup");
    place.await_kept("in the backup");
    let output = backup(&place, &target);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    set_custom(&mut alice, "after the backup");
    let later = query(&mut bob, "alice");
    place.await_kept("after the backup");
    kill(server);

    let output = restore(&place, &target, false);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output).contains("--replace"), "{}", text(&output));
    let output = restore(&place, &target, true);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(
        place.folder().join("presence.redb.before-restore").exists(),
        "the old one is kept"
    );
    let server = place.start();
    let (mut bob, _) = online(&server, "bob");
    let told = await_push(&mut bob, "alice");
    assert_eq!(told.custom_status, "in the backup");
    assert!(told.version > later.version, "R6.5");
    stop(server);

    // Of a server that does not run, and into a folder of its own.
    let again = place.folder().with_file_name("stopped.backup");
    let output = backup(&place, &again);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let elsewhere = Place::new("backup-elsewhere", "", "");
    let output = restore(&elsewhere, &again, false);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let server = elsewhere.start();
    let (mut bob, login) = online(&server, "bob");
    assert_eq!(login.subscriptions.user_ids, Some(vec!["alice".to_owned()]));
    assert_eq!(query(&mut bob, "alice").custom_status, "in the backup");
}

#[test]
fn a_damaged_backup_restores_nothing() {
    let place = Place::new("bad-backup", "", "");
    let target = place.folder().with_file_name("b");
    let server = place.start();
    let (_alice, _) = online(&server, "alice");
    assert_eq!(backup(&place, &target).status.code(), Some(0));
    stop(server);
    let whole = std::fs::read(&target).expect("a backup");
    let elsewhere = Place::new("bad-backup-elsewhere", "", "");
    for at in (0..whole.len()).step_by(7) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x20;
        std::fs::write(&target, &damaged).expect("written");
        let output = restore(&elsewhere, &target, false);
        assert_eq!(output.status.code(), Some(3), "byte {at}");
    }
    std::fs::write(&target, &whole[..whole.len() - 1]).expect("written");
    let output = restore(&elsewhere, &target, false);
    assert!(text(&output).contains("ends too early"), "{}", text(&output));
    assert!(!elsewhere.database().exists());
    let nowhere = run(&["backup", path(&target), "--data-dir", "/nonexistent/folder"]);
    assert_eq!(nowhere.status.code(), Some(3));
    assert!(
        text(&nowhere).contains("there is no store in"),
        "{}",
        text(&nowhere)
    );
}
