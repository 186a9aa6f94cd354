//! Records as bytes. docs/STORE.md has the layout of each; a change here is a new format there, with an upgrade.
//!
//! Numbers are varints (LEB128, at most ten bytes); signed ones are zigzag-coded first. Texts and ids have their length
//! before them. Nothing may follow a record's last field. Decoding trusts nothing: whatever is not exactly a record
//! that [`encode_user`] and the others write is [`Damaged`].

use presence::ids::{AppId, INSTANCE_BYTES_MAX, Platform, SessionId, UserId, UserKey};
use presence::login::Loss;
use presence::settings::AppSettings;
use presence::status::{CustomStatus, Presence, Reason, Status, VERSION_MAX, Version};
use presence::stored::{StoredDevice, StoredDisplaced, StoredList, StoredState, StoredUser};
use presence::time::Wall;
use presence::user::Mark;

use super::Damaged;
use crate::options::{APP, Value, set};

/// A record of [`Table::Users`](super::Table::Users).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserRecord<'a> {
    /// An account.
    Account(StoredUser<'a>),
    /// What is kept of a deleted one (R1.5).
    Deleted(Mark),
}

const ACCOUNT: u8 = 1;
const DELETED: u8 = 2;

const LIVE: u8 = 1;
const GRACE: u8 = 2;
const LOST: u8 = 3;

/// Bytes a stored custom status may have: the largest that any setting ever allowed.
const CUSTOM_BYTES_MAX: usize = 4_096;

/// The key of a user's records.
#[must_use]
pub fn user_key(key: &UserKey) -> Box<[u8]> {
    let mut bytes = Vec::with_capacity(8 + key.user.as_bytes().len());
    bytes.extend_from_slice(&key.app.get().to_be_bytes());
    bytes.extend_from_slice(key.user.as_bytes());
    bytes.into()
}

/// Whose records have this key.
pub fn decode_user_key(bytes: &[u8]) -> Result<UserKey, Damaged> {
    let damaged = Damaged {
        what: "a key that names no user",
    };
    let (app, user) = bytes.split_first_chunk::<8>().ok_or(damaged.clone())?;
    let app = AppId::new(u64::from_be_bytes(*app)).ok_or(damaged.clone())?;
    let user = std::str::from_utf8(user)
        .ok()
        .and_then(|text| UserId::new(text).ok());
    Ok(UserKey {
        app,
        user: user.ok_or(damaged)?,
    })
}

/// The key of an app's records.
#[must_use]
pub fn app_key(app: AppId) -> Box<[u8]> {
    Box::new(app.get().to_be_bytes())
}

/// An account.
#[must_use]
pub fn encode_user(user: &StoredUser<'_>) -> Box<[u8]> {
    let mut out = Writer::new(64);
    out.byte(ACCOUNT);
    out.byte(user.presence.status as u8);
    out.byte(user.presence.reason as u8);
    out.number(user.presence.version.0);
    out.signed(user.presence.since.0);
    out.bytes(user.presence.custom.as_str().as_bytes());
    out.number(user.last_session.0);
    out.signed(user.revoked_until_s);
    out.number(user.devices.len() as u64);
    for device in &user.devices {
        out.byte(device.platform as u8);
        out.bytes(device.instance.as_bytes());
        out.number(device.session.0);
        out.signed(device.since.0);
        match device.state {
            StoredState::Live => out.byte(LIVE),
            StoredState::Grace { until, loss } => {
                out.byte(GRACE);
                out.byte(loss_number(loss));
                out.signed(until.0);
            }
            StoredState::Lost { forget_at } => {
                out.byte(LOST);
                out.signed(forget_at.0);
            }
        }
    }
    out.number(user.displaced.len() as u64);
    for login in &user.displaced {
        out.number(login.session.0);
        out.fixed(login.device);
    }
    out.done()
}

/// What is kept of a deleted account.
#[must_use]
pub fn encode_deleted(mark: &Mark) -> Box<[u8]> {
    let mut out = Writer::new(24);
    out.byte(DELETED);
    out.number(mark.version.0);
    out.number(mark.session.0);
    out.signed(mark.revoked_until_s);
    out.done()
}

/// An account or what is kept of a deleted one.
pub fn decode_user(bytes: &[u8]) -> Result<UserRecord<'_>, Damaged> {
    let mut input = Reader::new(bytes, "a record of a user that is none");
    let record = match input.byte()? {
        ACCOUNT => UserRecord::Account(input.account()?),
        DELETED => UserRecord::Deleted(Mark {
            version: input.version()?,
            session: input.session()?,
            revoked_until_s: input.signed()?,
        }),
        _ => return Err(input.damaged()),
    };
    input.end()?;
    Ok(record)
}

/// A subscription list.
#[must_use]
pub fn encode_list(list: &StoredList) -> Box<[u8]> {
    let mut out = Writer::new(16 + list.ids.len() * 12);
    out.number(list.generation);
    out.byte(u8::from(list.restorable) | u8::from(list.linger_end.is_some()) << 1);
    if let Some(end) = list.linger_end {
        out.signed(end.0);
    }
    out.ids(&list.ids);
    out.done()
}

/// A subscription list.
pub fn decode_list(bytes: &[u8]) -> Result<StoredList, Damaged> {
    let mut input = Reader::new(bytes, "a record of a subscription list that is none");
    let generation = input.number()?;
    let flags = input.byte()?;
    if flags > 3 {
        return Err(input.damaged());
    }
    let linger_end = match flags & 2 {
        0 => None,
        _ => Some(Wall(input.signed()?)),
    };
    let ids = input.ids()?;
    input.end()?;
    Ok(StoredList {
        ids,
        generation,
        restorable: flags & 1 != 0,
        linger_end,
    })
}

/// A friend list.
#[must_use]
pub fn encode_friends(friends: &[UserId]) -> Box<[u8]> {
    let mut out = Writer::new(4 + friends.len() * 12);
    out.ids(friends);
    out.done()
}

/// A friend list.
pub fn decode_friends(bytes: &[u8]) -> Result<Vec<UserId>, Damaged> {
    let mut input = Reader::new(bytes, "a record of a friend list that is none");
    let friends = input.ids()?;
    input.end()?;
    Ok(friends)
}

/// The settings of an app, by name: so they outlive settings that come and go between versions of the server.
#[must_use]
pub fn encode_settings(settings: &AppSettings) -> Box<[u8]> {
    let mut out = Writer::new(512);
    out.number(APP.len() as u64);
    for setting in APP {
        out.bytes(setting.key.as_bytes());
        out.bytes(setting.text(settings).as_bytes());
    }
    out.done()
}

/// The settings of an app, as name and text.
pub fn decode_settings(bytes: &[u8]) -> Result<Vec<(String, String)>, Damaged> {
    let mut input = Reader::new(bytes, "a record of an app's settings that is none");
    let count = input.number()?;
    let mut pairs = Vec::new();
    for _ in 0..count {
        pairs.push((input.text()?.to_owned(), input.text()?.to_owned()));
    }
    input.end()?;
    Ok(pairs)
}

/// Puts one of [`decode_settings`]'s pairs into `settings`. False, and nothing changed, if this version has no such
/// setting or it does not take the value.
pub fn put_setting(settings: &mut AppSettings, key: &str, text: &str) -> bool {
    let value = if let Ok(number) = text.parse() {
        Value::Integer(number)
    } else if let Ok(on) = text.parse() {
        Value::Bool(on)
    } else {
        Value::Text(text.trim_matches('"'))
    };
    set(APP, settings, key, value).is_ok()
}

fn loss_number(loss: Loss) -> u8 {
    match loss {
        Loss::LinkClosed => 1,
        Loss::Timeout => 2,
        Loss::Expired => 3,
        Loss::SlowReceiver => 4,
        Loss::Restart => 5,
    }
}

fn loss_of(number: u8) -> Option<Loss> {
    [
        Loss::LinkClosed,
        Loss::Timeout,
        Loss::Expired,
        Loss::SlowReceiver,
        Loss::Restart,
    ]
    .into_iter()
    .find(|loss| loss_number(*loss) == number)
}

struct Writer(Vec<u8>);

impl Writer {
    fn new(bytes: usize) -> Writer {
        Writer(Vec::with_capacity(bytes))
    }

    fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn signed(&mut self, number: i64) {
        self.number(((number << 1) ^ (number >> 63)) as u64);
    }

    fn fixed(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn ids(&mut self, ids: &[UserId]) {
        self.number(ids.len() as u64);
        for id in ids {
            self.bytes(id.as_bytes());
        }
    }

    fn done(self) -> Box<[u8]> {
        self.0.into()
    }
}

struct Reader<'a> {
    left: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8], what: &'static str) -> Reader<'a> {
        Reader { left: bytes, what }
    }

    fn damaged(&self) -> Damaged {
        Damaged { what: self.what }
    }

    fn byte(&mut self) -> Result<u8, Damaged> {
        let (byte, left) = self.left.split_first().ok_or(self.damaged())?;
        self.left = left;
        Ok(*byte)
    }

    fn number(&mut self) -> Result<u64, Damaged> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return Err(self.damaged());
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(self.damaged())
    }

    fn signed(&mut self) -> Result<i64, Damaged> {
        let number = self.number()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    fn fixed(&mut self) -> Result<u64, Damaged> {
        let (bytes, left) = self.left.split_first_chunk::<8>().ok_or(self.damaged())?;
        self.left = left;
        Ok(u64::from_le_bytes(*bytes))
    }

    fn bytes(&mut self) -> Result<&'a [u8], Damaged> {
        let length = usize::try_from(self.number()?).map_err(|_| self.damaged())?;
        let (bytes, left) = self.left.split_at_checked(length).ok_or(self.damaged())?;
        self.left = left;
        Ok(bytes)
    }

    fn text(&mut self) -> Result<&'a str, Damaged> {
        let bytes = self.bytes()?;
        std::str::from_utf8(bytes).map_err(|_| self.damaged())
    }

    fn ids(&mut self) -> Result<Vec<UserId>, Damaged> {
        // Each has two bytes at least, so no count makes this ask for more memory than there are bytes.
        let count = usize::try_from(self.number()?).map_err(|_| self.damaged())?;
        if count > self.left.len() / 2 {
            return Err(self.damaged());
        }
        (0..count)
            .map(|_| {
                let text = self.text()?;
                UserId::new(text).map_err(|_| self.damaged())
            })
            .collect()
    }

    fn version(&mut self) -> Result<Version, Damaged> {
        let version = Version(self.number()?);
        if version > VERSION_MAX {
            return Err(self.damaged());
        }
        Ok(version)
    }

    fn session(&mut self) -> Result<SessionId, Damaged> {
        self.version().map(|number| SessionId(number.0))
    }

    fn account(&mut self) -> Result<StoredUser<'a>, Damaged> {
        let status = Status::from_number(self.byte()?.into()).ok_or(self.damaged())?;
        let reason = Reason::from_number(self.byte()?.into()).ok_or(self.damaged())?;
        let version = self.version()?;
        let since = Wall(self.signed()?);
        let custom = CustomStatus::new(self.text()?, CUSTOM_BYTES_MAX).map_err(|_| self.damaged())?;
        let last_session = self.session()?;
        let revoked_until_s = self.signed()?;
        let mut devices = Vec::new();
        for _ in 0..self.number()? {
            devices.push(self.device()?);
        }
        let mut displaced = Vec::new();
        for _ in 0..self.number()? {
            displaced.push(StoredDisplaced {
                session: self.session()?,
                device: self.fixed()?,
            });
        }
        Ok(StoredUser {
            presence: Presence {
                status,
                custom,
                version,
                since,
                reason,
            },
            last_session,
            revoked_until_s,
            devices,
            displaced,
        })
    }

    fn device(&mut self) -> Result<StoredDevice<'a>, Damaged> {
        let number = self.byte()?;
        let platform = Platform::ALL
            .into_iter()
            .find(|platform| *platform as u8 == number)
            .ok_or(self.damaged())?;
        let instance = self.text()?;
        if instance.is_empty() || instance.len() > INSTANCE_BYTES_MAX {
            return Err(self.damaged());
        }
        let session = self.session()?;
        let since = Wall(self.signed()?);
        let state = match self.byte()? {
            LIVE => StoredState::Live,
            GRACE => {
                let loss = loss_of(self.byte()?).ok_or(self.damaged())?;
                StoredState::Grace {
                    loss,
                    until: Wall(self.signed()?),
                }
            }
            LOST => StoredState::Lost {
                forget_at: Wall(self.signed()?),
            },
            _ => return Err(self.damaged()),
        };
        Ok(StoredDevice {
            platform,
            instance,
            session,
            since,
            state,
        })
    }

    fn end(&self) -> Result<(), Damaged> {
        if self.left.is_empty() {
            Ok(())
        } else {
            Err(self.damaged())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use presence::settings::{MultiLogin, Plan};

    use super::*;

    fn id(name: &str) -> UserId {
        UserId::new(name).expect("a user id")
    }

    fn account() -> StoredUser<'static> {
        let device = |platform, instance, session, state| StoredDevice {
            platform,
            instance,
            session: SessionId(session),
            since: Wall(1_780_000_000_000),
            state,
        };
        StoredUser {
            presence: Presence {
                status: Status::Online,
                custom: CustomStatus::new("büsy", 100).expect("short"),
                version: VERSION_MAX,
                since: Wall(1_780_000_000_000),
                reason: Reason::CustomStatus,
            },
            last_session: SessionId(300),
            revoked_until_s: i64::MIN,
            devices: vec![
                device(Platform::Ios, "phone", 299, StoredState::Live),
                device(
                    Platform::Mac,
                    "m",
                    300,
                    StoredState::Grace {
                        until: Wall(i64::MAX),
                        loss: Loss::SlowReceiver,
                    },
                ),
                device(
                    Platform::Other,
                    "x",
                    7,
                    StoredState::Lost {
                        forget_at: Wall(i64::MIN),
                    },
                ),
            ],
            displaced: vec![StoredDisplaced {
                session: SessionId(6),
                device: u64::MAX,
            }],
        }
    }

    fn list() -> StoredList {
        StoredList {
            ids: vec![id("bob"), id("carol")],
            generation: 1 << 50,
            restorable: false,
            linger_end: Some(Wall(-5)),
        }
    }

    /// The bytes of docs/STORE.md.
    #[test]
    fn an_account_is_laid_out_as_documented() {
        let user = StoredUser {
            presence: Presence {
                status: Status::Online,
                custom: CustomStatus::new("hi", 100).expect("short"),
                version: Version(300),
                since: Wall(-1),
                reason: Reason::Login,
            },
            last_session: SessionId(5),
            revoked_until_s: 64,
            devices: vec![StoredDevice {
                platform: Platform::Linux,
                instance: "d1",
                session: SessionId(5),
                since: Wall(3),
                state: StoredState::Live,
            }],
            displaced: vec![StoredDisplaced {
                session: SessionId(4),
                device: 0x0102_0304_0506_0708,
            }],
        };
        let expected: &[u8] = &[
            1, 1, 1, 0xac, 0x02, 1, 2, b'h', b'i', 5, 0x80, 0x01, 1, 6, 2, b'd', b'1', 5, 6, 1, 1, 4, 8, 7,
            6, 5, 4, 3, 2, 1,
        ];
        assert_eq!(&*encode_user(&user), expected);
        let key = UserKey {
            app: AppId::new(258).expect("not 0"),
            user: id("al"),
        };
        assert_eq!(&*user_key(&key), [0, 0, 0, 0, 0, 0, 1, 2, b'a', b'l']);
        let mark = Mark {
            version: Version(9),
            session: SessionId(8),
            revoked_until_s: -3,
        };
        assert_eq!(&*encode_deleted(&mark), [2, 9, 8, 5]);
        let list = StoredList {
            ids: vec![id("b")],
            generation: 2,
            restorable: false,
            linger_end: Some(Wall(1)),
        };
        assert_eq!(&*encode_list(&list), [2, 2, 2, 1, 1, b'b']);
        assert_eq!(
            &*encode_friends(&[id("b"), id("cc")]),
            [2, 1, b'b', 2, b'c', b'c']
        );
    }

    #[test]
    fn what_was_encoded_is_decoded() {
        let account = account();
        assert_eq!(
            decode_user(&encode_user(&account)),
            Ok(UserRecord::Account(account.clone()))
        );
        let mark = Mark {
            version: Version(77),
            session: SessionId(0),
            revoked_until_s: i64::MAX,
        };
        assert_eq!(decode_user(&encode_deleted(&mark)), Ok(UserRecord::Deleted(mark)));
        for (restorable, linger_end) in [(true, None), (false, Some(Wall(-5))), (false, None)] {
            let list = StoredList {
                restorable,
                linger_end,
                ..list()
            };
            assert_eq!(decode_list(&encode_list(&list)), Ok(list));
        }
        let friends = vec![id("a"), id("b b")];
        assert_eq!(decode_friends(&encode_friends(&friends)), Ok(friends));
        let key = UserKey {
            app: AppId::new(u64::MAX).expect("not 0"),
            user: id("x"),
        };
        assert_eq!(decode_user_key(&user_key(&key)), Ok(key));
    }

    #[test]
    fn every_setting_of_an_app_comes_back() {
        let settings = AppSettings {
            plan: Plan::Basic,
            user_status: false,
            multi_login: MultiLogin::Single,
            rate_calls: 0,
            offline_grace: Duration::from_millis(1_234),
            ..AppSettings::default()
        };
        let mut restored = AppSettings::default();
        for (key, text) in decode_settings(&encode_settings(&settings)).expect("just encoded") {
            assert!(put_setting(&mut restored, &key, &text), "{key} = {text}");
        }
        assert_eq!(restored, settings);
        assert!(!put_setting(&mut restored, "of_a_newer_version", "1"));
        assert!(!put_setting(&mut restored, "plan", "\"none\""));
        assert!(!put_setting(&mut restored, "rate_calls", "-1"));
        assert_eq!(restored, settings);
    }

    /// Whatever is cut off or put after a record is noticed, and no byte makes decoding panic.
    #[test]
    fn what_is_no_record_is_damaged() {
        type Decode = fn(&[u8]) -> bool;
        let records: [(Box<[u8]>, Decode); 4] = [
            (encode_user(&account()), |bytes| decode_user(bytes).is_ok()),
            (encode_list(&list()), |bytes| decode_list(bytes).is_ok()),
            (encode_friends(&list().ids), |bytes| decode_friends(bytes).is_ok()),
            (encode_settings(&AppSettings::default()), |bytes| {
                decode_settings(bytes).is_ok()
            }),
        ];
        for (record, is_record) in records {
            assert!(is_record(&record));
            for length in 0..record.len() {
                assert!(!is_record(&record[..length]), "{length} of {record:?}");
            }
            let mut longer = record.to_vec();
            longer.push(0);
            assert!(!is_record(&longer));
            for at in 0..record.len() {
                for byte in [0, 1, 0x7f, 0x80, 0xff] {
                    let mut other = record.to_vec();
                    other[at] = byte;
                    is_record(&other); // it answers
                }
            }
        }
        let too_long = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
        assert!(decode_friends(&too_long).is_err() && decode_settings(&too_long).is_err());
        for bad in [
            &b""[..],
            &[0; 9],
            &[0, 0, 0, 0, 0, 0, 0, 1],
            &[0, 0, 0, 0, 0, 0, 0, 1, 9],
        ] {
            assert!(decode_user_key(bad).is_err(), "{bad:?}");
        }
    }
}
