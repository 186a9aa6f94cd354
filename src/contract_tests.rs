//! The lists that must say the same: the functions here, `include/tim_symbols.txt`, the header, docs/C_API.md, and the
//! numbers of the crates below.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use presence::ids::Platform;
use presence::status::{Reason, Status};
use presence_client::{ConnectionState, LogLevel, LoginState};

use crate::{listeners, session, types};

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of the functions that the sources export.
fn exported() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut names = BTreeSet::new();
    for file in fs::read_dir(folder)
        .expect("src exists")
        .map(|file| file.expect("src can be read").path())
    {
        let is_this_one = file.ends_with("contract_tests.rs");
        if !is_this_one && file.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&file).expect("sources are UTF-8");
            let exports = text.split("#[unsafe(no_mangle)]").skip(1);
            names.extend(exports.map(|export| {
                let (_, name) = export.split_once(" fn ").expect("only functions are exported");
                name.split('(').next().unwrap_or_default().to_owned()
            }));
        }
    }
    assert!(
        names.len() > 30 && names.iter().all(|name| name.starts_with("tim")),
        "{names:?}"
    );
    names
}

/// The words of a text that could be names of ours.
fn words(text: &str) -> BTreeSet<String> {
    let words = text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
    words
        .filter(|word| word.starts_with("tim") && word.contains(char::is_uppercase))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_list_of_symbols_is_what_is_exported() {
    let listed: BTreeSet<String> = read("include/tim_symbols.txt")
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| {
            let (name, since) = line.split_once(' ').expect("name, space, version");
            assert_eq!(since.split('.').count(), 3, "{line}");
            name.to_owned()
        })
        .collect();
    assert_eq!(listed, exported());
}

#[test]
fn the_header_and_the_docs_name_every_function_and_no_other() {
    assert_eq!(words(&read("include/tim_presence.h")), exported());
    assert_eq!(words(&read("docs/C_API.md")), exported());
}

#[test]
fn every_declaration_of_the_header_has_a_comment() {
    let header = read("include/tim_presence.h");
    let lines: Vec<&str> = header.lines().collect();
    let mut declarations = 0;
    for (index, line) in lines.iter().enumerate() {
        let declares = line.starts_with("TIM_API")
            || line.starts_with("typedef")
            || (line.starts_with("#define TIM_")
                && !["TIM_PRESENCE_H", "TIM_API"].contains(&line[8..].split(' ').next().unwrap_or_default()));
        if declares {
            declarations += 1;
            assert!(
                index > 0 && lines[index - 1].trim_end().ends_with("*/"),
                "line {}: {line}",
                index + 1
            );
        }
    }
    assert!(declarations > 100, "{declarations}");
}

/// The keys in the table of a section of docs/C_API.md.
fn documented_keys(docs: &str, heading: &str) -> BTreeSet<String> {
    let (_, section) = docs
        .split_once(heading)
        .unwrap_or_else(|| panic!("there is a section {heading}"));
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split('`').next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_docs_have_every_option_of_a_client() {
    let keys = presence_client::options::TABLE
        .iter()
        .map(|key| key.name.to_owned());
    assert_eq!(
        documented_keys(&read("docs/C_API.md"), "\n## Options of a client"),
        keys.collect()
    );
}

/// `TIM_UPDATE=1` writes the rows that come from the tables of the node.
#[cfg(feature = "embedded-server")]
#[test]
fn the_docs_have_every_option_of_the_embedded_server() {
    use crate::server::options::{OWN_KEYS, keys, rows};
    let docs = read("docs/C_API.md");
    let heading = "\n## Options of the embedded server";
    let last_own_row = format!("| `{}`", OWN_KEYS.last().expect("there are some"));
    let start = docs
        .find(&last_own_row)
        .and_then(|row| docs[row..].find('\n').map(|end| row + end + 1));
    let start = start.expect("the keys of our own come first");
    let end = start + docs[start..].find("\n\n").expect("the table ends") + 1;
    let expected = rows().join("\n") + "\n";
    if std::env::var_os("TIM_UPDATE").is_some_and(|value| value == "1") {
        let updated = format!("{}{expected}{}", &docs[..start], &docs[end..]);
        fs::write(
            Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/C_API.md"),
            updated,
        )
        .expect("docs are writable");
        return;
    }
    assert_eq!(docs[start..end], expected, "TIM_UPDATE=1 writes it");
    assert_eq!(
        documented_keys(&docs, heading),
        keys().map(str::to_owned).collect()
    );
}

#[test]
fn the_numbers_of_the_header_are_those_of_the_rules() {
    assert_eq!(types::TIM_STATUS_ONLINE, Status::Online as i32);
    assert_eq!(types::TIM_STATUS_OFFLINE, Status::Offline as i32);
    assert_eq!(types::TIM_STATUS_UNLOGINED, Status::Unlogined as i32);

    assert_eq!(types::TIM_REASON_LOGIN, Reason::Login as i32);
    assert_eq!(types::TIM_REASON_LOGOUT, Reason::Logout as i32);
    assert_eq!(types::TIM_REASON_LINK_CLOSED, Reason::LinkClosed as i32);
    assert_eq!(types::TIM_REASON_TIMEOUT, Reason::Timeout as i32);
    assert_eq!(types::TIM_REASON_CUSTOM_STATUS, Reason::CustomStatus as i32);
    assert_eq!(types::TIM_REASON_KICKED, Reason::Kicked as i32);
    assert_eq!(types::TIM_REASON_EXPIRED, Reason::Expired as i32);
    assert_eq!(types::TIM_REASON_SERVER, Reason::Server as i32);

    let bits = [
        types::TIM_PLATFORM_OTHER,
        types::TIM_PLATFORM_IOS,
        types::TIM_PLATFORM_ANDROID,
        types::TIM_PLATFORM_WEB,
        types::TIM_PLATFORM_WINDOWS,
        types::TIM_PLATFORM_MAC,
        types::TIM_PLATFORM_LINUX,
        types::TIM_PLATFORM_IPAD,
    ];
    assert_eq!(bits, Platform::ALL.map(Platform::bit));
}

#[test]
fn the_numbers_of_the_header_are_those_of_the_client() {
    assert_eq!(
        listeners::TIM_CONNECTION_DISCONNECTED,
        ConnectionState::Disconnected as i32
    );
    assert_eq!(
        listeners::TIM_CONNECTION_CONNECTING,
        ConnectionState::Connecting as i32
    );
    assert_eq!(
        listeners::TIM_CONNECTION_CONNECTED,
        ConnectionState::Connected as i32
    );

    assert_eq!(session::TIM_LOGIN_LOGGED_OUT, LoginState::LoggedOut as i32);
    assert_eq!(session::TIM_LOGIN_LOGGING_IN, LoginState::LoggingIn as i32);
    assert_eq!(session::TIM_LOGIN_LOGGED_IN, LoginState::LoggedIn as i32);
    assert_eq!(session::TIM_LOGIN_LOGGING_OUT, LoginState::LoggingOut as i32);

    assert_eq!(listeners::TIM_LOG_TRACE, LogLevel::Trace as i32);
    assert_eq!(listeners::TIM_LOG_DEBUG, LogLevel::Debug as i32);
    assert_eq!(listeners::TIM_LOG_INFO, LogLevel::Info as i32);
    assert_eq!(listeners::TIM_LOG_WARN, LogLevel::Warn as i32);
    assert_eq!(listeners::TIM_LOG_ERROR, LogLevel::Error as i32);
}
