//! What of a device survives its process: its instance id (R1.3) and the logouts not yet said (R8.8).
//!
//! The file `logout` is JSON: `{"version":2,"logouts":[…]}`, oldest first, each with `sdk_app_id`, `user_id`, `user_sig` and
//! `session`. Releases before that wrote one such object alone, which is still read.
//!
//! The folder is locked while in use, so that two processes (or two clients of one) are two devices: whoever comes
//! second goes on without it. The lock is the system's and ends with the process, however that ends.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use presence::ids::{INSTANCE_BYTES_MAX, SessionId};
use presence_protocol::errors::code;
use serde_json::{Value, json};

use crate::api::CallError;
use crate::world::World;

const LOCK: &str = "lock";
const INSTANCE: &str = "instance";
const LOGOUT: &str = "logout";

/// Bytes read of a file of ours: more is not ours, and none is written larger.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Of the file of logouts.
const LOGOUTS_VERSION: u64 = 2;

/// Logouts kept until they are said, one a user: past it the oldest is forgotten, and its user stays OFFLINE. Whoever
/// shares a device among more people than this while there is no network is not known.
pub(crate) const UNSAID_LOGOUTS_MAX: usize = 32;

/// A data directory that is ours.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    lock: File,
}

impl Drop for DataDir {
    /// To close the file would not do: a forked child that lives on has it open, too, and the lock would be held as long.
    fn drop(&mut self) {
        // Without it the lock ends when the last to have the file closes it.
        let _ = self.lock.unlock();
    }
}

/// Who this device is.
pub(crate) struct Identity {
    /// R1.3.
    pub(crate) instance: String,
    /// Where it is kept; `None`: nowhere.
    pub(crate) data_dir: Option<DataDir>,
    /// The folder belongs to another client at this moment.
    pub(crate) folder_in_use: bool,
}

/// A logout that the server has not heard of (R8.8).
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct UnsaidLogout {
    pub(crate) sdk_app_id: u64,
    pub(crate) user_id: String,
    /// A secret.
    pub(crate) user_sig: String,
    pub(crate) session: SessionId,
}

impl Identity {
    /// The identity in `path`, made if there is none; a random one without a path or when the folder is in use.
    pub(crate) fn take(path: Option<&Path>, world: &dyn World) -> Result<Identity, CallError> {
        let Some(path) = path else {
            return Ok(Identity {
                instance: random_instance(world),
                data_dir: None,
                folder_in_use: false,
            });
        };
        let unusable =
            |error: io::Error| CallError::new(code::DATA_DIR, format!("option \"data_dir\": {error}"));
        create_private_folder(path).map_err(unusable)?;
        let lock = private_file()
            .create(true)
            .truncate(false)
            .open(path.join(LOCK))
            .map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Ok(Identity {
                    instance: random_instance(world),
                    data_dir: None,
                    folder_in_use: true,
                });
            }
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        let data_dir = DataDir {
            path: path.to_owned(),
            lock,
        };
        let instance = match data_dir
            .read(INSTANCE)
            .map_err(unusable)?
            .filter(|text| is_instance(text))
        {
            Some(instance) => instance,
            None => {
                let instance = random_instance(world);
                data_dir.write(INSTANCE, &instance).map_err(unusable)?;
                instance
            }
        };
        Ok(Identity {
            instance,
            data_dir: Some(data_dir),
            folder_in_use: false,
        })
    }
}

impl DataDir {
    /// The logouts to be said for `sdk_app_id`, oldest first. What a file holds that is not whole is as good as absent; one
    /// that cannot be read, or is of a later release, is an error here and below, and stays as it is.
    pub(crate) fn unsaid_logouts(&self, sdk_app_id: u64) -> io::Result<Vec<UnsaidLogout>> {
        let mut logouts = self.read_logouts()?;
        logouts.retain(|logout| logout.sdk_app_id == sdk_app_id);
        Ok(logouts)
    }

    /// Remembers a logout until it is said, in place of an earlier one of the same user.
    pub(crate) fn remember(&self, unsaid: &UnsaidLogout) -> io::Result<()> {
        let mut logouts = self.read_logouts()?;
        add_unsaid(&mut logouts, unsaid.clone());
        self.write_logouts(logouts)
    }

    /// A logout need not be said any more. One of the same user that came after it stays.
    pub(crate) fn forget_logout(&self, said: &UnsaidLogout) -> io::Result<()> {
        let mut logouts = self.read_logouts()?;
        logouts.retain(|logout| logout != said);
        self.write_logouts(logouts)
    }

    fn read_logouts(&self) -> io::Result<Vec<UnsaidLogout>> {
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("the file \"{LOGOUT}\": {error}"));
        let Some(text) = self.read(LOGOUT).map_err(named)? else {
            return Ok(Vec::new());
        };
        let Ok(file) = serde_json::from_str::<Value>(&text) else {
            return Ok(Vec::new());
        };
        match (file.get("version").and_then(Value::as_u64), file.get("logouts")) {
            (Some(LOGOUTS_VERSION), Some(Value::Array(logouts))) => {
                Ok(logouts.iter().filter_map(UnsaidLogout::from_json).collect())
            }
            // Before the version 2.
            (None, None) => Ok(UnsaidLogout::from_json(&file).into_iter().collect()),
            (Some(later), _) if later > LOGOUTS_VERSION => Err(named(io::Error::other(
                "a later release of this library wrote it",
            ))),
            _ => Ok(Vec::new()),
        }
    }

    fn write_logouts(&self, mut logouts: Vec<UnsaidLogout>) -> io::Result<()> {
        while !logouts.is_empty() {
            let records: Vec<Value> = logouts.iter().map(UnsaidLogout::to_json).collect();
            let text = json!({ "version": LOGOUTS_VERSION, "logouts": records }).to_string();
            if text.len() as u64 <= FILE_BYTES_MAX {
                return self.write(LOGOUT, &text);
            }
            // UserSigs of unheard length.
            logouts.remove(0);
        }
        match fs::remove_file(self.path.join(LOGOUT)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn read(&self, name: &str) -> io::Result<Option<String>> {
        let file = match File::open(self.path.join(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
        // What is not text is not ours: as good as absent, and written anew.
        Ok(String::from_utf8(bytes).ok())
    }

    /// Writes beside and renames, so that a crash leaves the old file or the new one.
    fn write(&self, name: &str, text: &str) -> io::Result<()> {
        let beside = self.path.join(format!("{name}.new"));
        let mut file = private_file().create(true).truncate(true).open(&beside)?;
        file.write_all(text.as_bytes())?;
        fs::rename(beside, self.path.join(name))
    }
}

/// Makes `unsaid` the newest of `logouts`, and its user's only one.
pub(crate) fn add_unsaid(logouts: &mut Vec<UnsaidLogout>, unsaid: UnsaidLogout) {
    let whose = |logout: &UnsaidLogout| (logout.sdk_app_id, logout.user_id.clone());
    let owner = whose(&unsaid);
    logouts.retain(|logout| whose(logout) != owner);
    logouts.push(unsaid);
    let too_many = logouts.len().saturating_sub(UNSAID_LOGOUTS_MAX);
    logouts.drain(..too_many);
}

impl UnsaidLogout {
    fn from_json(record: &Value) -> Option<UnsaidLogout> {
        let text_of = |key: &str| record.get(key)?.as_str().map(str::to_owned);
        Some(UnsaidLogout {
            sdk_app_id: record.get("sdk_app_id")?.as_u64()?,
            user_id: text_of("user_id")?,
            user_sig: text_of("user_sig")?,
            session: SessionId(record.get("session")?.as_u64()?),
        })
    }

    fn to_json(&self) -> Value {
        json!({
            "sdk_app_id": self.sdk_app_id,
            "user_id": self.user_id,
            "user_sig": self.user_sig,
            "session": self.session.0,
        })
    }
}

fn is_instance(text: &str) -> bool {
    (1..=INSTANCE_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn random_instance(world: &dyn World) -> String {
    format!("{:016x}{:016x}", world.random(), world.random())
}

#[cfg(unix)]
fn private_file() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

#[cfg(not(unix))]
fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    options
}

fn create_private_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::SystemWorld;

    fn take(path: &Path) -> Identity {
        Identity::take(Some(path), &SystemWorld::new()).unwrap()
    }

    #[test]
    fn a_device_keeps_its_instance_across_restarts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made/when/absent");
        let first = take(&path).instance;
        assert_eq!(first.len(), 32);
        assert_eq!(take(&path).instance, first, "R1.3");
    }

    #[test]
    fn without_a_folder_every_client_is_a_new_device() {
        let world = SystemWorld::new();
        let [one, two] = [(); 2].map(|()| Identity::take(None, &world).unwrap().instance);
        assert_ne!(one, two);
    }

    #[test]
    fn a_folder_in_use_makes_a_second_device_that_stores_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let first = take(folder.path());
        let second = take(folder.path());
        assert!(second.folder_in_use && second.data_dir.is_none());
        assert_ne!(first.instance, second.instance);
        let instance = first.instance.clone();
        drop(first);
        assert_eq!(take(folder.path()).instance, instance);
    }

    #[test]
    fn a_forked_child_does_not_hold_the_folder_of_a_client_that_ended() {
        let folder = tempfile::tempdir().unwrap();
        let first = take(folder.path());
        let inherited = first.data_dir.as_ref().unwrap().lock.try_clone().unwrap();
        drop(first);
        assert!(!take(folder.path()).folder_in_use);
        drop(inherited);
    }

    #[test]
    fn a_spoilt_instance_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        for spoilt in [&b""[..], b"two words", b"\xff\xfe", &[b'x'; 65]] {
            fs::write(folder.path().join(INSTANCE), spoilt).unwrap();
            let instance = take(folder.path()).instance;
            assert!(is_instance(&instance));
            assert_eq!(
                fs::read(folder.path().join(INSTANCE)).unwrap(),
                instance.as_bytes()
            );
        }
    }

    #[test]
    fn a_folder_that_cannot_be_is_refused_by_the_name_of_its_option() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Identity::take(Some(&file.path().join("under_a_file")), &SystemWorld::new())
            .err()
            .unwrap();
        assert_eq!(error.code, code::DATA_DIR);
        assert!(error.text.contains("data_dir"), "{error}");
    }

    fn logout_of(user: &str, session: u64) -> UnsaidLogout {
        UnsaidLogout {
            sdk_app_id: 1,
            user_id: user.into(),
            user_sig: "secret".into(),
            session: SessionId(session),
        }
    }

    fn users(logouts: &[UnsaidLogout]) -> Vec<&str> {
        logouts.iter().map(|logout| logout.user_id.as_str()).collect()
    }

    #[test]
    fn an_unsaid_logout_is_kept_until_it_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let unsaid = logout_of("alice", 1 << 52);
        let data_dir = take(folder.path()).data_dir.unwrap();
        data_dir.remember(&unsaid).unwrap();
        assert!(data_dir.unsaid_logouts(1).unwrap() == [unsaid.clone()], "R8.8");
        assert!(data_dir.unsaid_logouts(2).unwrap().is_empty(), "of another app");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(folder.path().join(LOGOUT))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600, "it holds a secret");
        }
        data_dir.forget_logout(&unsaid).unwrap();
        data_dir.forget_logout(&unsaid).unwrap();
        assert!(data_dir.unsaid_logouts(1).unwrap().is_empty());
        assert!(!folder.path().join(LOGOUT).exists(), "no secret is left");
    }

    #[test]
    fn each_user_of_each_app_has_one_unsaid_logout_the_newest() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = take(folder.path()).data_dir.unwrap();
        let elsewhere = UnsaidLogout {
            sdk_app_id: 2,
            ..logout_of("alice", 9)
        };
        for unsaid in [
            &logout_of("alice", 1),
            &elsewhere,
            &logout_of("bob", 2),
            &logout_of("alice", 3),
        ] {
            data_dir.remember(unsaid).unwrap();
        }
        assert!(data_dir.unsaid_logouts(1).unwrap() == [logout_of("bob", 2), logout_of("alice", 3)]);
        data_dir.forget_logout(&logout_of("alice", 1)).unwrap();
        data_dir.forget_logout(&logout_of("bob", 2)).unwrap();
        assert!(
            data_dir.unsaid_logouts(1).unwrap() == [logout_of("alice", 3)],
            "that one is newer"
        );
        assert!(data_dir.unsaid_logouts(2).unwrap() == [elsewhere]);
    }

    #[test]
    fn past_the_bound_the_oldest_unsaid_logouts_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = take(folder.path()).data_dir.unwrap();
        let names: Vec<String> = (0..UNSAID_LOGOUTS_MAX + 1).map(|n| format!("u{n}")).collect();
        for name in &names {
            data_dir.remember(&logout_of(name, 1)).unwrap();
        }
        assert_eq!(users(&data_dir.unsaid_logouts(1).unwrap()), &names[1..]);
        // A UserSig that leaves room for one more of its kind, at most.
        let long = |user: &str| UnsaidLogout {
            user_sig: "s".repeat(30_000),
            ..logout_of(user, 1)
        };
        for user in ["long", "longer", "longest"] {
            data_dir.remember(&long(user)).unwrap();
        }
        assert_eq!(users(&data_dir.unsaid_logouts(1).unwrap()), ["longer", "longest"]);
    }

    #[test]
    fn the_file_of_an_earlier_release_is_read_and_rewritten() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = take(folder.path()).data_dir.unwrap();
        let old = r#"{"sdk_app_id":1,"session":7,"user_id":"alice","user_sig":"secret"}"#;
        fs::write(folder.path().join(LOGOUT), old).unwrap();
        assert!(data_dir.unsaid_logouts(1).unwrap() == [logout_of("alice", 7)]);
        data_dir.remember(&logout_of("bob", 8)).unwrap();
        assert!(data_dir.unsaid_logouts(1).unwrap() == [logout_of("alice", 7), logout_of("bob", 8)]);
        let written = fs::read_to_string(folder.path().join(LOGOUT)).unwrap();
        assert!(written.contains(r#""version":2"#), "{written}");
    }

    #[test]
    fn a_torn_logout_file_is_as_good_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = take(folder.path()).data_dir.unwrap();
        for torn in [
            "",
            "{",
            "[]",
            r#"{"sdk_app_id":1,"user_id":"a"}"#,
            r#"{"version":2,"logouts":7}"#,
        ] {
            fs::write(folder.path().join(LOGOUT), torn).unwrap();
            assert!(data_dir.unsaid_logouts(1).unwrap().is_empty(), "{torn}");
        }
        let half = r#"{"version":2,"logouts":[{"sdk_app_id":1},{"sdk_app_id":1,"session":7,"user_id":"alice","user_sig":"secret"}]}"#;
        fs::write(folder.path().join(LOGOUT), half).unwrap();
        assert!(data_dir.unsaid_logouts(1).unwrap() == [logout_of("alice", 7)]);
    }

    #[test]
    fn a_logout_file_of_a_later_release_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = take(folder.path()).data_dir.unwrap();
        let later = r#"{"version":3,"logouts":[{"who":"alice"}]}"#;
        fs::write(folder.path().join(LOGOUT), later).unwrap();
        for result in [
            data_dir.unsaid_logouts(1).map(drop),
            data_dir.remember(&logout_of("bob", 8)),
            data_dir.forget_logout(&logout_of("bob", 8)),
        ] {
            let text = result.unwrap_err().to_string();
            assert!(
                text.contains("\"logout\"") && text.contains("later release"),
                "{text}"
            );
        }
        assert_eq!(fs::read_to_string(folder.path().join(LOGOUT)).unwrap(), later);
    }

    /// A symbolic link to itself can be removed and replaced, but not read, not even by root.
    #[cfg(unix)]
    #[test]
    fn a_logout_file_that_cannot_be_read_is_not_taken_for_none() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = take(folder.path()).data_dir.unwrap();
        let file = folder.path().join(LOGOUT);
        std::os::unix::fs::symlink(LOGOUT, &file).unwrap();
        assert!(data_dir.unsaid_logouts(1).is_err());
        assert!(data_dir.remember(&logout_of("bob", 8)).is_err());
        assert!(data_dir.forget_logout(&logout_of("bob", 8)).is_err());
        assert!(
            fs::symlink_metadata(&file).unwrap().is_symlink(),
            "R8.8: what it held is still there"
        );
    }
}
