//! Logs on standard error, as text or JSON lines.
//!
//! The names of fields are the same everywhere, and docs/OPERATIONS.md lists them all. Never a secret at any level; what
//! users write at debug and trace only.

use std::str::FromStr;

use tracing::level_filters::LevelFilter;

/// The least severe records to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Something is broken here.
    Error,
    /// Something deserves a look.
    Warn,
    /// What an operator wants to know.
    Info,
    /// Every connection and login; shows what clients say of themselves.
    Debug,
    /// Everything.
    Trace,
}

/// How a record is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A line for people.
    Text,
    /// A JSON object a line.
    Json,
}

/// How to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogConfig {
    /// The least severe records to write.
    pub level: Level,
    /// How a record is written.
    pub format: Format,
}

impl Default for LogConfig {
    fn default() -> LogConfig {
        LogConfig {
            level: Level::Info,
            format: Format::Text,
        }
    }
}

impl Level {
    /// What a setting of this type takes.
    pub const TAKES: &'static str = "error, warn, info, debug or trace";
    const ALL: [Level; 5] = [Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace];

    /// Its name in files and arguments.
    pub fn name(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
            Level::Trace => "trace",
        }
    }

    fn filter(self) -> LevelFilter {
        match self {
            Level::Error => LevelFilter::ERROR,
            Level::Warn => LevelFilter::WARN,
            Level::Info => LevelFilter::INFO,
            Level::Debug => LevelFilter::DEBUG,
            Level::Trace => LevelFilter::TRACE,
        }
    }
}

impl Format {
    /// What a setting of this type takes.
    pub const TAKES: &'static str = "text or json";
    const ALL: [Format; 2] = [Format::Text, Format::Json];

    /// Its name in files and arguments.
    pub fn name(self) -> &'static str {
        match self {
            Format::Text => "text",
            Format::Json => "json",
        }
    }
}

/// No level or format has this name.
#[derive(Debug, PartialEq, Eq)]
pub struct UnknownName;

impl FromStr for Level {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Level, UnknownName> {
        Level::ALL
            .into_iter()
            .find(|level| level.name() == name)
            .ok_or(UnknownName)
    }
}

impl FromStr for Format {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Format, UnknownName> {
        Format::ALL
            .into_iter()
            .find(|format| format.name() == name)
            .ok_or(UnknownName)
    }
}

/// Sends the logs of the whole process to standard error. Once, before the node starts.
pub fn start(config: LogConfig) {
    let builder = tracing_subscriber::fmt()
        .with_max_level(config.level.filter())
        .with_writer(std::io::stderr);
    match config.format {
        Format::Text => builder.with_target(false).init(),
        Format::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .init(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    /// Crates of the server that log.
    const CRATES: [&str; 3] = ["node", "server", "transport"];

    /// The fields of all records in the sources under `folder`.
    fn fields_of(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                fields_of(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let source = std::fs::read_to_string(&path).expect("readable");
                for macro_name in ["error", "warn", "info", "debug", "trace"] {
                    let opening = format!("tracing::{macro_name}!(");
                    for (at, _) in source.match_indices(&opening) {
                        fields(source.get(at + opening.len()..).unwrap_or_default(), found);
                    }
                }
            }
        }
    }

    /// What stands before the message: `%peer`, `?from`, `count`, `reason = %why`.
    fn fields(arguments: &str, found: &mut BTreeSet<String>) {
        let (mut depth, mut begin) = (0, 0);
        for (at, letter) in arguments.char_indices() {
            match letter {
                '(' | '[' | '{' => depth += 1,
                ',' if depth == 0 => {
                    let field = arguments.get(begin..at).unwrap_or_default();
                    let name = field.split('=').next().unwrap_or_default();
                    found.insert(name.trim().trim_start_matches(['%', '?']).to_owned());
                    begin = at + 1;
                }
                // The message, or the end.
                '"' if depth == 0 => return,
                ')' | ']' | '}' if depth == 0 => panic!("a record without a message: {arguments:.80}"),
                ')' | ']' | '}' => depth -= 1,
                _ => {}
            }
        }
    }

    /// The first column of the table below "## Logs".
    fn documented(page: &str) -> BTreeSet<String> {
        let section = page.split("\n## ").find(|section| section.starts_with("Logs\n"));
        let rows = section.expect("a section on logs").lines();
        let names = rows.filter_map(|row| row.strip_prefix("| `")?.split(" |").next());
        names
            .flat_map(|names| names.split([',', '`', ' ']))
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn the_fields_of_records_are_read_before_their_message() {
        let mut found = BTreeSet::new();
        fields(
            r#"%peer, reason = %why.text(1, "a"), ?platform, count, "text, {}", more = 1)"#,
            &mut found,
        );
        assert!(
            found.iter().eq(["count", "peer", "platform", "reason"]),
            "{found:?}"
        );
    }

    #[test]
    fn every_field_of_the_logs_is_documented_and_every_documented_one_is_logged() {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut logged = BTreeSet::new();
        for name in CRATES {
            fields_of(&crates.join(name).join("src"), &mut logged);
        }
        let page = std::fs::read_to_string(crates.join("../docs/OPERATIONS.md")).expect("the page");
        assert_eq!(logged, documented(&page));
    }
}
