//! The command line.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use lexopt::prelude::*;
use presence::ids::AppId;

use crate::Failure;
use crate::config::AdminListen;
use crate::logs::{Format, Level};

/// What `--help` says.
pub const HELP: &str = "\
The tim-presence server: who is online, offline or not logged in, told to everyone who asked.

Try it, on this machine alone, without a file:
  tim-presence-server --dev

Run it:
  tim-presence-server --config FILE [--listen IP:PORT]... [--admin-listen IP:PORT|off] [--data-dir DIR]
                      [--insecure] [--log-level LEVEL] [--log-format text|json]

Other commands:
  tim-presence-server sign --user ID (--config FILE [--app ID] | --app ID --key KEY) [--valid SECONDS]
                              Print a UserSig, with which that user can log in (for 180 days, unless told otherwise)
  tim-presence-server check-config FILE
                              Say whether the file is right, and if not, what is wrong in which line
  tim-presence-server backup FILE (--config FILE | --data-dir DIR)
                              Write all that the store holds to FILE, also while the server runs
  tim-presence-server restore FILE (--config FILE | --data-dir DIR) [--replace]
                              Make the store from a backup, while no server runs; --replace: though there is one, which
                              is kept beside it
  tim-presence-server settings
                              Explain every setting: what it takes, its default, what it does

Options:
  --dev                Listen on 127.0.0.1:7788 with one app and a new key, both printed; users exist once mentioned
  --config FILE        Settings and apps (TOML); every setting is explained in docs/CONFIGURATION.md
  --listen IP:PORT     Listen here, whatever the file says; port 0: any free port; may be given several times
  --admin-listen ADDR  Serve administrators (REST) at this IP:PORT, whatever the file says; \"off\": nowhere
  --data-dir DIR       Keep users, friends and subscriptions in this folder across restarts, whatever the file says
  --insecure           Allow addresses other than loopback, though connections are not encrypted
  --log-level LEVEL    error, warn, info (default), debug or trace; only debug and trace show what users write
  --log-format FORMAT  text (default) or json, on standard error
  --version, -V        Print the version
  --help, -h           Print this

Once it listens, its first line on standard output is \"listening on tim://IP:PORT\".
SIGHUP: read the file again; settings of apps change at once, and the log says what needs a restart.
SIGTERM, SIGINT: have clients come back later, and stop; a second time: stop at once.
Exit codes: 0 done, 1 it could not run (for example the address is in use), 2 wrong arguments or configuration,
3 the store is damaged, in use, or not one of this server's.
";

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Serve.
    Run(RunOptions),
    /// Print a UserSig.
    Sign(SignOptions),
    /// Check a configuration file.
    CheckConfig(PathBuf),
    /// Write a backup.
    Backup(BackupOptions),
    /// Make the store from a backup.
    Restore {
        /// From which, and where.
        options: BackupOptions,
        /// Though there is one.
        replace: bool,
    },
    /// Print the page of settings.
    Settings,
    /// Print [`HELP`].
    Help,
    /// Print the version.
    Version,
}

/// Where a server's apps come from.
#[derive(Debug, PartialEq, Eq)]
pub enum Source {
    /// A configuration file.
    File(PathBuf),
    /// `--dev`.
    Dev,
}

/// How to serve.
#[derive(Debug, PartialEq, Eq)]
pub struct RunOptions {
    /// Where the apps come from.
    pub source: Source,
    /// Instead of the file's addresses, if any.
    pub listen: Vec<SocketAddr>,
    /// Instead of the file's.
    pub admin_listen: Option<AdminListen>,
    /// Instead of the file's.
    pub data_dir: Option<PathBuf>,
    /// Allow addresses other than loopback.
    pub insecure: bool,
    /// Instead of the file's.
    pub log_level: Option<Level>,
    /// Instead of the file's.
    pub log_format: Option<Format>,
}

/// A backup and its store.
#[derive(Debug, PartialEq, Eq)]
pub struct BackupOptions {
    /// The backup.
    pub file: PathBuf,
    /// The store.
    pub folder: FolderSource,
}

/// Which data directory.
#[derive(Debug, PartialEq, Eq)]
pub enum FolderSource {
    /// That of a configuration file.
    File(PathBuf),
    /// This one.
    Given(PathBuf),
}

/// Where the key to sign with comes from.
#[derive(PartialEq, Eq)]
pub enum KeySource {
    /// The file's, of the app named or of its only one.
    File {
        /// The configuration file.
        path: PathBuf,
        /// Which app.
        app: Option<AppId>,
    },
    /// Given.
    Given {
        /// The app.
        app: AppId,
        /// Its secret key.
        key: String,
    },
}

/// Its `Debug` does not show the key.
impl std::fmt::Debug for KeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            KeySource::File { path, app } => write!(f, "File({path:?}, {app:?})"),
            KeySource::Given { app, .. } => write!(f, "Given({app:?})"),
        }
    }
}

/// What to sign.
#[derive(Debug, PartialEq, Eq)]
pub struct SignOptions {
    /// The key.
    pub key: KeySource,
    /// The user id, as given.
    pub user: String,
    /// Seconds it is valid.
    pub valid_s: i64,
}

/// 180 days, as the published generators do.
const VALID_S_DEFAULT: i64 = 180 * 24 * 3600;
/// Ten years.
const VALID_S_MAX: i64 = 10 * 365 * 24 * 3600;

/// Reads the command line.
pub fn parse(mut parser: lexopt::Parser) -> Result<Command, Failure> {
    let command = match parser.peek_word().as_deref() {
        Some("sign") => {
            parser.next().map_err(usage)?; // the word just seen
            sign(&mut parser)
        }
        Some("check-config") => {
            parser.next().map_err(usage)?; // the word just seen
            check_config(&mut parser)
        }
        Some("backup") => {
            parser.next().map_err(usage)?; // the word just seen
            backup(&mut parser, "backup")
        }
        Some("restore") => {
            parser.next().map_err(usage)?; // the word just seen
            backup(&mut parser, "restore")
        }
        Some("settings") => {
            parser.next().map_err(usage)?; // the word just seen
            match parser.next() {
                Ok(None) => Ok(Command::Settings),
                Ok(Some(Long("help") | Short('h'))) => Ok(Command::Help),
                Ok(Some(argument)) => Err(argument.unexpected()),
                Err(error) => Err(error),
            }
        }
        Some(_) | None => run(&mut parser),
    };
    command.map_err(usage)
}

fn usage(error: lexopt::Error) -> Failure {
    Failure::Usage(error.to_string())
}

/// The first argument, without taking it.
trait PeekWord {
    fn peek_word(&mut self) -> Option<String>;
}

impl PeekWord for lexopt::Parser {
    fn peek_word(&mut self) -> Option<String> {
        self.try_raw_args()?.peek()?.to_str().map(str::to_owned)
    }
}

fn run(parser: &mut lexopt::Parser) -> Result<Command, lexopt::Error> {
    let mut config = None;
    let mut dev = false;
    let mut options = RunOptions {
        source: Source::Dev,
        listen: Vec::new(),
        admin_listen: None,
        data_dir: None,
        insecure: false,
        log_level: None,
        log_format: None,
    };
    while let Some(argument) = parser.next()? {
        match argument {
            Long("config") => config = Some(PathBuf::from(parser.value()?)),
            Long("dev") => dev = true,
            Long("listen") => options.listen.push(parsed(
                parser.value()?,
                "--listen",
                "IP:PORT, for example 127.0.0.1:7788",
            )?),
            Long("admin-listen") => {
                options.admin_listen = Some(parsed(parser.value()?, "--admin-listen", "IP:PORT or off")?)
            }
            Long("data-dir") => options.data_dir = Some(PathBuf::from(parser.value()?)),
            Long("insecure") => options.insecure = true,
            Long("log-level") => {
                options.log_level = Some(parsed(parser.value()?, "--log-level", Level::TAKES)?)
            }
            Long("log-format") => {
                options.log_format = Some(parsed(parser.value()?, "--log-format", Format::TAKES)?)
            }
            Long("help") | Short('h') => return Ok(Command::Help),
            Long("version") | Short('V') => return Ok(Command::Version),
            Value(word) => return Err(format!("there is no command {word:?}").into()),
            Short(_) | Long(_) => return Err(argument.unexpected()),
        }
    }
    options.source = match (config, dev) {
        (Some(path), false) => Source::File(path),
        (None, true) => Source::Dev,
        (Some(_), true) => return Err("--dev uses no file: leave out --config or --dev".into()),
        (None, false) => return Err("say --dev to try it, or --config FILE to run it".into()),
    };
    Ok(Command::Run(options))
}

fn sign(parser: &mut lexopt::Parser) -> Result<Command, lexopt::Error> {
    let (mut config, mut app, mut key, mut user, mut valid_s) = (None, None, None, None, VALID_S_DEFAULT);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("config") => config = Some(PathBuf::from(parser.value()?)),
            Long("app") => {
                let id = parsed(parser.value()?, "--app", "the number of an app")?;
                app = Some(AppId::new(id).ok_or("--app takes a number above 0")?);
            }
            Long("key") => key = Some(parser.value()?.string()?),
            Long("user") => user = Some(parser.value()?.string()?),
            Long("valid") => {
                let takes = format!("seconds from 1 to {VALID_S_MAX}");
                valid_s = parsed(parser.value()?, "--valid", &takes)?;
                if !(1..=VALID_S_MAX).contains(&valid_s) {
                    return Err(format!("--valid takes {takes}").into());
                }
            }
            Long("help") | Short('h') => return Ok(Command::Help),
            Value(_) | Short(_) | Long(_) => return Err(argument.unexpected()),
        }
    }
    let key = match (config, key, app) {
        (Some(path), None, app) => KeySource::File { path, app },
        (None, Some(key), Some(app)) if !key.is_empty() => KeySource::Given { app, key },
        (Some(_), Some(_), _) => return Err("the key comes from --config or from --key, not both".into()),
        (None, _, _) => return Err("sign needs --config FILE, or --app ID and --key KEY".into()),
    };
    let user = user.ok_or("sign needs --user ID")?;
    Ok(Command::Sign(SignOptions { key, user, valid_s }))
}

/// `backup` and `restore`.
fn backup(parser: &mut lexopt::Parser, word: &str) -> Result<Command, lexopt::Error> {
    let (mut file, mut config, mut data_dir, mut replace) = (None, None, None, false);
    while let Some(argument) = parser.next()? {
        match argument {
            Value(value) if file.is_none() => file = Some(PathBuf::from(value)),
            Long("config") => config = Some(PathBuf::from(parser.value()?)),
            Long("data-dir") => data_dir = Some(PathBuf::from(parser.value()?)),
            Long("replace") if word == "restore" => replace = true,
            Long("help") | Short('h') => return Ok(Command::Help),
            Value(_) | Short(_) | Long(_) => return Err(argument.unexpected()),
        }
    }
    let folder = match (config, data_dir) {
        (Some(path), None) => FolderSource::File(path),
        (None, Some(path)) => FolderSource::Given(path),
        (Some(_), Some(_)) => return Err("the store is that of --config or of --data-dir, not both".into()),
        (None, None) => return Err(format!("{word} needs --config FILE or --data-dir DIR").into()),
    };
    let file = file.ok_or_else(|| format!("{word} needs a FILE"))?;
    let options = BackupOptions { file, folder };
    Ok(match word {
        "restore" => Command::Restore { options, replace },
        _ => Command::Backup(options),
    })
}

fn check_config(parser: &mut lexopt::Parser) -> Result<Command, lexopt::Error> {
    let mut path = None;
    while let Some(argument) = parser.next()? {
        match argument {
            Value(value) if path.is_none() => path = Some(PathBuf::from(value)),
            Long("help") | Short('h') => return Ok(Command::Help),
            Value(_) | Short(_) | Long(_) => return Err(argument.unexpected()),
        }
    }
    path.map(Command::CheckConfig)
        .ok_or_else(|| "check-config needs a FILE".into())
}

/// The value of an option, or what the option takes.
fn parsed<T: FromStr>(value: OsString, option: &str, takes: &str) -> Result<T, lexopt::Error> {
    let text = value.string()?;
    text.parse()
        .map_err(|_| format!("{option} takes {takes}, not \"{text}\"").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Command, String> {
        parse(lexopt::Parser::from_args(line.split_whitespace())).map_err(|failure| match failure {
            Failure::Usage(text) => text,
            other => panic!("not a usage failure: {other}"),
        })
    }

    #[test]
    fn each_option_arrives() {
        let line = "--config a.toml --listen 127.0.0.1:0 --listen [::1]:7 --admin-listen off --data-dir d --insecure --log-level debug --log-format json";
        let options = RunOptions {
            source: Source::File("a.toml".into()),
            listen: vec!["127.0.0.1:0".parse().unwrap(), "[::1]:7".parse().unwrap()],
            admin_listen: Some(AdminListen::Off),
            data_dir: Some("d".into()),
            insecure: true,
            log_level: Some(Level::Debug),
            log_format: Some(Format::Json),
        };
        assert_eq!(parse_line(line), Ok(Command::Run(options)));
        assert!(matches!(
            parse_line("--dev"),
            Ok(Command::Run(RunOptions {
                source: Source::Dev,
                ..
            }))
        ));
        assert_eq!(parse_line("check-config x"), Ok(Command::CheckConfig("x".into())));
        let options = |folder| BackupOptions {
            file: "b".into(),
            folder,
        };
        assert_eq!(
            parse_line("backup b --config f"),
            Ok(Command::Backup(options(FolderSource::File("f".into()))))
        );
        assert_eq!(
            parse_line("restore --replace --data-dir d b"),
            Ok(Command::Restore {
                options: options(FolderSource::Given("d".into())),
                replace: true
            })
        );
        assert_eq!(parse_line("settings"), Ok(Command::Settings));
        assert_eq!(parse_line("-V"), Ok(Command::Version));
        assert_eq!(parse_line("sign --help"), Ok(Command::Help));
        let sign = parse_line("sign --app 7 --key k --user alice --valid 60");
        let key = KeySource::Given {
            app: AppId::new(7).unwrap(),
            key: "k".into(),
        };
        assert_eq!(
            sign,
            Ok(Command::Sign(SignOptions {
                key,
                user: "alice".into(),
                valid_s: 60
            }))
        );
        let sign = parse_line("sign --config f --user alice");
        let key = KeySource::File {
            path: "f".into(),
            app: None,
        };
        assert_eq!(
            sign,
            Ok(Command::Sign(SignOptions {
                key,
                user: "alice".into(),
                valid_s: 15_552_000
            }))
        );
    }

    #[test]
    fn each_mistake_is_named() {
        let cases = [
            ("", "say --dev"),
            ("--dev --config x", "--dev uses no file"),
            ("--listen localhost", "--listen takes IP:PORT"),
            ("--listen", "listen"),
            ("--admin-listen here", "--admin-listen takes IP:PORT or off"),
            ("--log-level loud", "--log-level takes error, warn"),
            ("--log-format xml", "--log-format takes text or json"),
            ("--verbose", "--verbose"),
            ("serve", "there is no command \"serve\""),
            ("check-config", "needs a FILE"),
            ("check-config a b", "\"b\""),
            ("settings x", "\"x\""),
            ("backup --data-dir d", "backup needs a FILE"),
            ("backup b", "backup needs --config FILE"),
            ("backup b --data-dir d --replace", "--replace"),
            ("restore b c --data-dir d", "\"c\""),
            ("restore b --data-dir d --config f", "not both"),
            ("sign --user a", "sign needs --config"),
            ("sign --user a --key k", "sign needs --config"),
            ("sign --app 1 --key k", "sign needs --user"),
            ("sign --app 0 --key k --user a", "above 0"),
            ("sign --app x --key k --user a", "--app takes"),
            ("sign --app 1 --key k --config f --user a", "not both"),
            (
                "sign --app 1 --key k --user a --valid 0",
                "--valid takes seconds from 1",
            ),
            (
                "sign --app 1 --key k --user a --valid x",
                "--valid takes seconds from 1",
            ),
        ];
        for (line, part) in cases {
            let text = parse_line(line).expect_err(line);
            assert!(text.contains(part), "{line}: {text}");
        }
    }

    #[test]
    fn the_help_names_every_option_and_fits_a_terminal() {
        for option in [
            "--dev",
            "--config",
            "--listen",
            "--admin-listen",
            "--insecure",
            "--data-dir",
            "--replace",
            "--log-level",
            "--log-format",
            "--valid",
            "--key",
        ] {
            assert!(HELP.contains(option), "{option}");
        }
        assert!(HELP.lines().all(|line| line.len() <= 120));
    }
}
