//! Peers with presence of their own: XMPP servers, whose rosters are laid down before they start.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use super::{Launch, Place, Ready, Served, Subscription, find_program, program};
use crate::dialect::ours::user_name;
use crate::dialect::xmpp::{DOMAIN, Xmpp};
use crate::dialect::{Dialect, Need};

/// Everyone's, in the files written below.
const PASSWORD: &str = "load";

/// `ejabberd`, started without its control script: no daemon for names, no other user, nothing under /var.
pub struct Ejabberd;

impl Served for Ejabberd {
    fn name(&self) -> &'static str {
        "ejabberd"
    }

    fn dialect(&self, _need: Need) -> Box<dyn Dialect> {
        Box::new(Xmpp { password: PASSWORD })
    }

    fn launch(&self, place: &Place<'_>) -> io::Result<Launch> {
        let configuration = place.write("ejabberd.yml", include_str!("../../configuration/ejabberd.yml"))?;
        let setup = place.write(
            "setup.erl",
            include_str!("../../configuration/ejabberd_setup.erl"),
        )?;
        std::fs::write(
            place.folder.join("rosters.term"),
            terms(&place.relations.rosters()),
        )?;
        let mut command = program("erl", "ejabberd")?;
        command
            .env("EJABBERD_CONFIG_PATH", configuration)
            .env("EJABBERD_LOG_PATH", place.folder.join("ejabberd.log"))
            .env("ERL_LIBS", erlang_libraries()?)
            .env("ERL_MAX_PORTS", "32000")
            .env("HOME", place.folder)
            .current_dir(place.folder)
            // As its control script starts it.
            .args(["+K", "true", "+P", "250000", "-noinput"])
            .args(["-mnesia", "dir"])
            .arg(format!("\"{}\"", place.folder.join("database").display()))
            .args(["-s", "ejabberd", "-eval"])
            .arg(format!("ok = file:eval(\"{}\").", setup.display()));
        Ok(Launch {
            command,
            ready: Ready::Says("the rosters are laid down"),
        })
    }

    fn package(&self) -> Option<&'static str> {
        Some("ejabberd")
    }

    fn is_installed(&self) -> bool {
        find_program("ejabberdctl").is_some()
    }
}

/// `prosody`.
pub struct Prosody;

impl Served for Prosody {
    fn name(&self) -> &'static str {
        "prosody"
    }

    fn dialect(&self, _need: Need) -> Box<dyn Dialect> {
        Box::new(Xmpp { password: PASSWORD })
    }

    fn launch(&self, place: &Place<'_>) -> io::Result<Launch> {
        let configuration = place.write(
            "prosody.cfg.lua",
            include_str!("../../configuration/prosody.cfg.lua"),
        )?;
        write_prosody_store(
            &place.folder.join("data").join(DOMAIN),
            &place.relations.rosters(),
        )?;
        let mut command = program("prosody", "prosody")?;
        command
            .arg("-F")
            .arg("--config")
            .arg(configuration)
            .current_dir(place.folder);
        Ok(Launch {
            command,
            ready: Ready::Accepts,
        })
    }

    fn package(&self) -> Option<&'static str> {
        Some("prosody")
    }
}

/// Where Debian keeps ejabberd's code: beside the control script's other libraries, in a folder named by architecture.
fn erlang_libraries() -> io::Result<PathBuf> {
    let missing = || {
        io::Error::new(
            io::ErrorKind::NotFound,
            "ejabberd is not installed: apt-get install ejabberd",
        )
    };
    find_program("ejabberdctl").ok_or_else(missing)?;
    for folder in std::fs::read_dir("/usr/lib")? {
        let folder = folder?.path();
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        if entries
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().starts_with("ejabberd-"))
        {
            return Ok(folder);
        }
    }
    Err(missing())
}

/// One Erlang term a user: its name and its contacts.
fn terms(rosters: &[BTreeMap<u32, Subscription>]) -> String {
    let mut text = String::new();
    for (user, roster) in (0..).zip(rosters) {
        let contacts: Vec<String> = roster
            .iter()
            .map(|(contact, subscription)| {
                format!("{{<<\"{}\">>,{}}}", user_name(*contact), subscription.word())
            })
            .collect();
        writeln!(text, "{{<<\"{}\">>,[{}]}}.", user_name(user), contacts.join(",")).expect("a String grows");
    }
    text
}

fn write_prosody_store(folder: &Path, rosters: &[BTreeMap<u32, Subscription>]) -> io::Result<()> {
    let (accounts, lists) = (folder.join("accounts"), folder.join("roster"));
    std::fs::create_dir_all(&accounts)?;
    std::fs::create_dir_all(&lists)?;
    let account = format!("return {{ [\"password\"] = \"{PASSWORD}\" }};\n");
    for (user, roster) in (0..).zip(rosters) {
        let file = format!("{}.dat", user_name(user));
        std::fs::write(accounts.join(&file), &account)?;
        if roster.is_empty() {
            continue;
        }
        let mut text = String::from("return { [false] = { [\"version\"] = 1 };\n");
        for (contact, subscription) in roster {
            writeln!(
                text,
                "[\"{}@{DOMAIN}\"] = {{ [\"subscription\"] = \"{}\"; [\"groups\"] = {{}} }};",
                user_name(*contact),
                subscription.word()
            )
            .expect("a String grows");
        }
        text.push_str("};\n");
        std::fs::write(lists.join(&file), text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rosters_become_erlang_terms() {
        let rosters = [
            BTreeMap::from([(1, Subscription::To), (2, Subscription::Both)]),
            BTreeMap::new(),
        ];
        assert_eq!(
            terms(&rosters),
            "{<<\"u0000000\">>,[{<<\"u0000001\">>,to},{<<\"u0000002\">>,both}]}.\n{<<\"u0000001\">>,[]}.\n"
        );
    }
}
