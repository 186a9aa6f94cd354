//! Renders `include/tim_presence.h` in memory and fails the build if the committed one differs; makes the table of
//! errors that `src/errors.rs` includes; gives the shared library its name and its place in memory.
//!
//! One list of errors: `crates/protocol/src/errors.rs`, included here as it is.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

#[path = "crates/protocol/src/errors.rs"]
#[allow(dead_code, reason = "the table is used, the numbers by name are not")]
mod errors;

use errors::TABLE;

/// The sections of the header, in the order of docs/C_API.md. Each is `src/<name>.rs`; its module documentation is the
/// section's opening comment.
const SECTIONS: &[&str] = &[
    "types",
    "lifecycle",
    "listeners",
    "session",
    "status",
    "pull",
    "errors",
    "version",
    "server",
];

/// Where the numbers of the errors go.
const ERRORS_SECTION: &str = "errors";
/// Where the numbers of the version go.
const VERSION_SECTION: &str = "version";

const HEADER: &str = "include/tim_presence.h";
const UPDATE_VARIABLE: &str = "TIM_UPDATE_HEADER";

fn main() {
    for path in [
        "build.rs",
        "cbindgen.toml",
        "Cargo.toml",
        "crates/protocol/src/errors.rs",
        HEADER,
        OPENING,
    ] {
        println!("cargo::rerun-if-changed={path}");
    }
    for section in SECTIONS {
        println!("cargo::rerun-if-changed={}", source(section).display());
    }
    println!("cargo::rerun-if-env-changed={UPDATE_VARIABLE}");

    let out = PathBuf::from(env::var_os("OUT_DIR").expect("Cargo sets OUT_DIR"));
    fs::write(out.join("error_table.rs"), error_table()).expect("OUT_DIR is writable");
    check_header(&render_header());
    link_arguments();
}

/// The text before the first section.
const OPENING: &str = "src/header_opening.txt";

fn source(section: &str) -> PathBuf {
    PathBuf::from(format!("src/{section}.rs"))
}

fn render_header() -> String {
    let mut header = fs::read_to_string(OPENING).expect("the opening page of the header exists");
    header.push_str(PROLOGUE);
    for section in SECTIONS {
        let text = fs::read_to_string(source(section)).expect("every section is a file in src");
        header.push_str(&heading(&text));
        match *section {
            ERRORS_SECTION => header.push_str(&error_constants()),
            VERSION_SECTION => header.push_str(&version_constants()),
            _ => {}
        }
        header.push_str(&render_section(section));
        header.push('\n');
    }
    header.push_str(EPILOGUE);
    header
}

const PROLOGUE: &str = r#"
#ifndef TIM_PRESENCE_H
#define TIM_PRESENCE_H

#include <stddef.h>
#include <stdint.h>

#ifndef TIM_API
#if defined(_WIN32) && !defined(TIM_STATIC)
#define TIM_API __declspec(dllimport)
#else
#define TIM_API
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

"#;

const EPILOGUE: &str = r"#ifdef __cplusplus
}
#endif

#endif /* TIM_PRESENCE_H */
";

/// The module documentation of a section as a C comment.
fn heading(source: &str) -> String {
    let mut comment = format!("/* {}\n", "=".repeat(96));
    for line in source.lines().map_while(|line| line.strip_prefix("//!")) {
        comment.push_str(format!(" *{line}").trim_end());
        comment.push('\n');
    }
    writeln!(comment, " * {} */\n", "=".repeat(96)).expect("a String grows");
    comment
}

fn render_section(section: &str) -> String {
    let mut config = cbindgen::Config::from_file("cbindgen.toml").expect("cbindgen.toml is valid");
    config.export.include = types_of(section);
    let bindings = cbindgen::Builder::new()
        .with_config(config)
        .with_src(source(section))
        .generate()
        .unwrap_or_else(|error| panic!("cbindgen cannot read {}: {error}", source(section).display()));
    let mut rendered = Vec::new();
    bindings.write(&mut rendered);
    let rendered = String::from_utf8(rendered).expect("cbindgen writes UTF-8");
    condensed(rendered.trim())
}

/// The names of a section's types. cbindgen would leave out those that no function of the section uses.
fn types_of(section: &str) -> Vec<String> {
    let text = fs::read_to_string(source(section)).expect("every section is a file in src");
    let declarations = text.lines().filter_map(|line| {
        line.strip_prefix("pub type ")
            .or(line.strip_prefix("pub struct "))
    });
    declarations
        .filter_map(|rest| rest.split([' ', ';']).next())
        .map(str::to_owned)
        .collect()
}

/// Comments of one line on one line, and constants of one family without blank lines between them.
fn condensed(rendered: &str) -> String {
    let mut text = String::new();
    let mut family_before = None;
    for block in rendered.split("\n\n") {
        let block = with_short_comments(block);
        let family = match block.lines().collect::<Vec<_>>().as_slice() {
            [_, define] if define.starts_with("#define") => define.split('_').nth(1).map(str::to_owned),
            _ => None,
        };
        if !text.is_empty() && (family.is_none() || family != family_before) {
            text.push('\n');
        }
        text.push_str(&block);
        text.push('\n');
        family_before = family;
    }
    text
}

fn with_short_comments(block: &str) -> String {
    let lines: Vec<&str> = block.lines().collect();
    let mut short = Vec::new();
    let mut rest = lines.as_slice();
    while let [line, after @ ..] = rest {
        match after {
            [comment, end, after @ ..] if line.trim() == "/**" && end.trim() == "*/" => {
                let comment = comment.trim_start().trim_start_matches('*').trim();
                short.push(format!("{}/** {comment} */", line.trim_end_matches("/**")));
                rest = after;
            }
            _ => {
                short.push((*line).to_owned());
                rest = after;
            }
        }
    }
    short.join("\n")
}

/// `/** message. details */` above each `#define`.
fn error_constants() -> String {
    let mut constants = String::new();
    for entry in TABLE {
        let text = format!("{}. {}", capitalised(entry.message), entry.details);
        constants.push_str("/**\n");
        for line in wrapped(&text, 116) {
            writeln!(constants, " * {line}").expect("a String grows");
        }
        constants.push_str(" */\n");
        let number = if entry.code < 0 {
            format!("({})", entry.code)
        } else {
            entry.code.to_string()
        };
        writeln!(constants, "#define {} {number}\n", entry.name).expect("a String grows");
    }
    constants
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(characters).collect()
    })
}

/// Breaks a text at spaces into lines of at most `columns`.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is always a line");
        if !line.is_empty() && line.len() + 1 + word.len() > columns {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

fn version_constants() -> String {
    let part = |name: &str| env::var(format!("CARGO_PKG_VERSION_{name}")).expect("Cargo sets the version");
    let (major, minor, patch) = (part("MAJOR"), part("MINOR"), part("PATCH"));
    format!(
        r#"/** The version of this header: compare timVersion(). */
#define TIM_VERSION_MAJOR {major}
/** See TIM_VERSION_MAJOR. */
#define TIM_VERSION_MINOR {minor}
/** See TIM_VERSION_MAJOR. */
#define TIM_VERSION_PATCH {patch}
/** See TIM_VERSION_MAJOR. */
#define TIM_VERSION_STRING "{major}.{minor}.{patch}"

/** The ABI of this header, for timCheckAbi. It breaks when the major number changes and grows with the minor one. */
#define TIM_ABI_MAJOR {major}
/** See TIM_ABI_MAJOR. */
#define TIM_ABI_MINOR {minor}
/** Both in one number: compare timAbiVersion(). */
#define TIM_ABI_VERSION (TIM_ABI_MAJOR * 65536 + TIM_ABI_MINOR)

"#
    )
}

/// The rows of the table for C, as Rust source: C strings cannot be made of `&str` without an allocation at run time.
fn error_table() -> String {
    let count = TABLE.len();
    let mut table = format!("static ROWS: [Row; {count}] = [\n");
    for entry in TABLE {
        let (code, flags) = (entry.code, entry.flags);
        let (name, message, details) = (entry.name, entry.message, entry.details);
        writeln!(
            table,
            "    row({code}, {flags}, c{name:?}, c{message:?}, c{details:?}),"
        )
        .expect("a String grows");
    }
    writeln!(table, "];\n\nstatic POINTERS: Pointers<{count}> = Pointers([").expect("a String grows");
    for index in 0..count {
        writeln!(table, "    &raw const ROWS[{index}].desc,").expect("a String grows");
    }
    table.push_str("]);\n");
    table
}

/// Compares, or with the variable set, writes. Where there is no `include/` to compare with, or a package that nobody
/// can write to, the header that lies there is the one that belongs to the sources.
fn check_header(rendered: &str) {
    let folder = Path::new(HEADER).parent().expect("the header is in a folder");
    let writable = fs::metadata(folder).is_ok_and(|metadata| !metadata.permissions().readonly());
    if !writable {
        return;
    }
    let committed = fs::read_to_string(HEADER).unwrap_or_default();
    if committed == rendered {
        return;
    }
    if env::var_os(UPDATE_VARIABLE).is_some_and(|value| value == "1") {
        fs::write(HEADER, rendered).unwrap_or_else(|error| panic!("cannot write {HEADER}: {error}"));
        return;
    }
    println!(
        "cargo::error={HEADER} is stale: the sources say something else. Update it with `make header`, or"
    );
    println!("cargo::error=    {UPDATE_VARIABLE}=1 cargo build");
    let differs = committed
        .lines()
        .zip(rendered.lines())
        .position(|(old, new)| old != new);
    let line = differs.unwrap_or_else(|| committed.lines().count().min(rendered.lines().count())) + 1;
    println!("cargo::error=The first difference is in line {line}.");
}

/// No `--version-script`: GNU ld refuses a second one beside rustc's, which already exports `tim*` alone.
fn link_arguments() {
    let target = env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    let major = env::var("CARGO_PKG_VERSION_MAJOR").expect("Cargo sets the version");
    let arguments: &[String] = match target.as_str() {
        "linux" | "android" => &[
            format!("-Wl,-soname,libtim_presence.so.{major}"),
            // Threads of ours may be running when the program calls dlclose.
            "-Wl,-z,nodelete".to_owned(),
            // Android devices with pages of 16 KiB load nothing that is aligned to less.
            "-Wl,-z,max-page-size=16384".to_owned(),
        ],
        "macos" => &[format!("-Wl,-install_name,@rpath/libtim_presence.{major}.dylib")],
        _ => &[],
    };
    for argument in arguments {
        println!("cargo::rustc-cdylib-link-arg={argument}");
    }
}
