//! No type of the project shows a secret by a derived `Debug`: whatever holds one says by hand what it shows, or has no
//! `Debug`. Looks at the sources of the whole project, tests aside.

use std::fs;
use std::path::{Path, PathBuf};

/// Names of fields, and of variants in lower case, that hold what nobody may read in a log.
const SECRETS: [&str; 6] = [
    "user_sig",
    "usersig",
    "secret",
    "password",
    "secret_key",
    "user_and_password",
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the project") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if path.is_dir() && !["target", "tests", "benches", ".git"].contains(&name) {
            sources(&path, found);
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

/// The items of `source` with a derived `Debug`: the line they begin at, and their text.
fn with_derived_debug(source: &str) -> Vec<(usize, String)> {
    let lines: Vec<&str> = source.lines().collect();
    let mut items = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        if !(line.trim_start().starts_with("#[derive(") && line.contains("Debug")) {
            continue;
        }
        // As rustfmt leaves it: the item ends with the first line that closes at its own depth.
        let depth = line.len() - line.trim_start().len();
        let ends = |line: &&str| {
            let text = line.trim_start();
            line.len() - text.len() == depth
                && (text.starts_with('}') || text.ends_with(';') || text.ends_with("{}"))
        };
        let mut item = Vec::new();
        for line in lines.iter().skip(index + 1) {
            item.push(*line);
            if ends(line) {
                break;
            }
        }
        items.push((index + 1, item.join("\n")));
    }
    items
}

/// A field or a variant that holds a secret text.
fn secret_of(item: &str) -> Option<&str> {
    item.lines().map(str::trim).find(|line| {
        let line = line.trim_start_matches("pub(crate) ").trim_start_matches("pub ");
        let (name, holds) = match line.split_once([':', '(']) {
            Some(parts) => parts,
            None => return false,
        };
        let name = name.trim().to_lowercase();
        let is_named = SECRETS.iter().any(|secret| {
            name == *secret || name.ends_with(&format!("_{secret}")) || name.ends_with("usersig")
        });
        is_named
            && ["String", "str", "Vec<u8>"]
                .iter()
                .any(|text| holds.contains(text))
    })
}

#[test]
fn nothing_that_holds_a_secret_has_a_derived_debug() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = Vec::new();
    for folder in ["crates", "src", "bindings"] {
        sources(&root.join(folder), &mut files);
    }
    assert!(
        files.len() > 100,
        "the project was looked at: {} files",
        files.len()
    );
    let mut derived = 0;
    for file in files {
        let source = fs::read_to_string(&file).expect("a source is text");
        for (line, item) in with_derived_debug(&source) {
            derived += 1;
            if let Some(secret) = secret_of(&item) {
                panic!("{}:{line}: its derived Debug shows `{secret}`", file.display());
            }
        }
    }
    assert!(derived > 100, "derived ones were found: {derived}");
}

#[test]
fn the_look_finds_what_it_looks_for() {
    for bad in [
        "#[derive(Clone, Debug)]\npub struct A {\n    pub user_sig: String,\n}",
        "#[derive(Debug)]\nenum A {\n    B {\n        secret: Option<String>,\n    },\n}",
        "#[derive(Debug)]\nenum A {\n    None,\n    NewUserSig(String),\n}",
        "mod m {\n    #[derive(Debug)]\n    struct A<'a> {\n        webhook_secret: &'a str,\n    }\n}",
    ] {
        let items = with_derived_debug(bad);
        assert!(items.iter().any(|(_, item)| secret_of(item).is_some()), "{bad}");
    }
    for good in [
        "#[derive(Clone)]\nstruct A {\n    secret: String,\n}",
        "#[derive(Debug)]\nstruct A;\nstruct B {\n    secret: String,\n}",
        "#[derive(Debug)]\nstruct A {\n    secret_key_file: PathBuf,\n    key: String,\n}",
    ] {
        let items = with_derived_debug(good);
        assert!(items.iter().all(|(_, item)| secret_of(item).is_none()), "{good}");
    }
}
