//! The table of error numbers: no number or name twice, each in the range of its kind, and docs/ERRORS.md in step.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::Path;

use presence_protocol::errors::{ErrorEntry, FATAL, PROGRAMMING, RETRIABLE, TABLE, code, find};

#[test]
fn no_number_and_no_name_stands_twice() {
    let codes: HashSet<i32> = TABLE.iter().map(|entry| entry.code).collect();
    let names: HashSet<&str> = TABLE.iter().map(|entry| entry.name).collect();
    assert_eq!((codes.len(), names.len()), (TABLE.len(), TABLE.len()));
}

#[test]
fn names_are_c_constants_and_texts_are_for_people() {
    for entry in TABLE {
        let rest = entry
            .name
            .strip_prefix("TIM_ERR_")
            .unwrap_or(if entry.code == 0 { "OK" } else { "" });
        assert!(!rest.is_empty(), "{}", entry.name);
        assert!(
            rest.bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_'),
            "{}",
            entry.name
        );
        assert!(
            !entry.message.is_empty() && !entry.message.ends_with('.'),
            "{}: {}",
            entry.name,
            entry.message
        );
        assert!(entry.details.ends_with('.'), "{}: {}", entry.name, entry.details);
        assert!(
            !entry.message.contains('|') && !entry.message.contains('\n'),
            "{} is a cell of a table",
            entry.name
        );
        assert_eq!(
            entry.flags & !(RETRIABLE | FATAL | PROGRAMMING),
            0,
            "{} has an unknown flag",
            entry.name
        );
        assert!(
            entry.flags & (RETRIABLE | FATAL) != RETRIABLE | FATAL,
            "{} cannot be both",
            entry.name
        );
    }
}

#[test]
fn ours_are_negative_without_gaps_and_the_originals_are_in_its_ranges() {
    let ours: Vec<i32> = TABLE
        .iter()
        .map(|entry| entry.code)
        .filter(|code| *code < 0)
        .collect();
    assert_eq!(
        ours,
        (1..=ours.len() as i32).map(|number| -number).collect::<Vec<_>>(),
        "in order of their numbers"
    );
    let originals: Vec<i32> = TABLE
        .iter()
        .map(|entry| entry.code)
        .filter(|code| *code > 0)
        .collect();
    assert!(originals.is_sorted(), "in order of their numbers");
    for code in originals {
        assert!(
            [6000..=9999, 70_000..=72_999]
                .iter()
                .any(|range| range.contains(&code)),
            "{code}"
        );
    }
}

#[test]
fn the_numbers_of_the_rules_are_what_they_were() {
    // What docs/SEMANTICS.md and docs/C_API.md name; programs have them compiled in.
    let pinned = [
        (code::OK, 0),
        (code::NOT_INITIALIZED, 6013),
        (code::NOT_LOGGED_IN, 6014),
        (code::INVALID_PARAMETERS, 6017),
        (code::LOGGED_OUT, 6023),
        (code::USER_SIG_EXPIRED_ONLINE, 6206),
        (code::KICKED_OFFLINE, 6208),
        (code::INVALID_USER_ID, 7003),
        (code::RATE_LIMITED, 7008),
        (code::INTERFACE_NOT_SUPPORTED, 7013),
        (code::INVALID_OPERATION, 7014),
        (code::LOGIN_IN_PROGRESS, 7501),
        (code::DISCONNECTED, 9508),
        (code::NO_CONNECTION, 9523),
        (code::USER_SIG_EXPIRED, 70001),
        (code::USER_SIG_EMPTY, 70002),
        (code::USER_SIG_INVALID, 70003),
        (code::USER_SIG_CHECK_FAILED, 70005),
        (code::USER_SIG_WRONG_KEY, 70009),
        (code::USER_SIG_OTHER_USER, 70013),
        (code::USER_SIG_OTHER_APP, 70014),
        (code::APP_NOT_FOUND, 70020),
        (code::TOO_MANY_FAILURES, 70050),
        (code::USER_SIG_REVOKED, 70052),
        (code::ACCOUNT_NOT_FOUND, 70107),
        (code::SERVER_ERROR, 70500),
        (code::STATUS_DISABLED, 72001),
    ];
    for (constant, number) in pinned {
        assert_eq!(constant, number);
        assert_eq!(find(number).map(|entry| entry.code), Some(number));
    }
    assert_eq!(find(1), None);
}

#[test]
fn the_page_of_errors_is_that_of_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/ERRORS.md");
    let page = page();
    if std::env::var_os("TIM_UPDATE").is_some() {
        std::fs::write(&path, &page).expect("docs/ERRORS.md is writable");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == page,
        "docs/ERRORS.md is stale: run TIM_UPDATE=1 cargo test -p presence-protocol --test error_table"
    );
}

fn page() -> String {
    let mut page = "\
# Errors

One table of numbers for the C ABI, the wire and the server's logs. Numbers are added, never renumbered, never reused.
`timErrorName`, `timErrorMessage` and `timErrorFlags` answer from this table.

**Negative numbers are ours.** A function that returns one did not accept the call: its callback is not called. A few
also arrive as a result, where their text says so. **Positive numbers are those that the original publishes.** They
arrive through the callback only. A result for several users has a code for each; the call as a whole fails only if no
user succeeded.

*Retriable*: the same call may succeed later. *Fatal*: the client or session is over, and no retry helps.
*Programming*: the calling program has a mistake.

<!-- Made from crates/protocol/src/errors.rs: TIM_UPDATE=1 cargo test -p presence-protocol --test error_table -->
"
    .to_owned();
    table(&mut page, "From the call itself", |code| code <= 0);
    table(&mut page, "Through the callback", |code| code > 0);
    page.push_str("\n## One by one\n");
    for entry in TABLE {
        write!(
            page,
            "\n### {} `{}`\n\n{}.{} {}\n",
            entry.code,
            entry.name,
            capitalized(entry.message),
            flags(entry),
            entry.details
        )
        .expect("a String grows");
    }
    page
}

fn table(page: &mut String, title: &str, belongs: fn(i32) -> bool) {
    write!(
        page,
        "\n## {title}\n\n| code | name | meaning | flags |\n|---:|---|---|---|\n"
    )
    .expect("a String grows");
    for entry in TABLE.iter().filter(|entry| belongs(entry.code)) {
        let flags = flags(entry);
        let flags = flags.trim_matches([' ', '*', '.']).to_lowercase();
        writeln!(
            page,
            "| {} | `{}` | {} | {flags} |",
            entry.code, entry.name, entry.message
        )
        .expect("a String grows");
    }
}

/// " Retriable." and the like, or nothing.
fn flags(entry: &ErrorEntry) -> String {
    let names: Vec<&str> = [
        (RETRIABLE, "retriable"),
        (FATAL, "fatal"),
        (PROGRAMMING, "programming"),
    ]
    .into_iter()
    .filter(|(flag, _)| entry.flags & flag != 0)
    .map(|(_, name)| name)
    .collect();
    if names.is_empty() {
        String::new()
    } else {
        format!(" *{}.*", capitalized(&names.join(", ")))
    }
}

fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(characters).collect()
    })
}
