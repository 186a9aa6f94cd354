//! Names: apps, users, devices, sessions, connections. A value of these types is well-formed by construction.

use std::fmt;
use std::hash::{Hash, Hasher};

/// An application: a tenant of the server (R1.1). Above 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AppId(u64);

impl AppId {
    /// `None` for 0.
    #[must_use]
    pub fn new(id: u64) -> Option<AppId> {
        (id > 0).then_some(AppId(id))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Bytes a user id may have (R1.2).
pub const USER_ID_BYTES_MAX: usize = 32;

/// An account's name: 1 to 32 bytes of printable ASCII (R1.2). Inline, no allocation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct UserId {
    bytes: [u8; USER_ID_BYTES_MAX],
    len: u8,
}

/// The text is not a user id (7003).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidUserId;

impl UserId {
    /// Checks R1.2.
    pub fn new(text: &str) -> Result<UserId, InvalidUserId> {
        let source = text.as_bytes();
        let printable = source.iter().all(|byte| (0x20..=0x7e).contains(byte));
        if source.is_empty() || source.len() > USER_ID_BYTES_MAX || !printable {
            return Err(InvalidUserId);
        }
        let mut bytes = [0; USER_ID_BYTES_MAX];
        bytes[..source.len()].copy_from_slice(source);
        Ok(UserId {
            bytes,
            len: source.len() as u8,
        })
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).expect("ASCII by construction")
    }

    /// The text's bytes: ASCII.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// Of the text alone, not of the room beside it: most names are short, and they are hashed wherever they are looked up.
impl Hash for UserId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.as_bytes());
        // As for a `str`: no name is the beginning of another and what follows it.
        state.write_u8(0xff);
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

/// An account of an app. Nothing crosses apps (R1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserKey {
    /// The app.
    pub app: AppId,
    /// The account.
    pub user: UserId,
}

/// What kind of device (R1.3). A platform this version does not know is [`Platform::Other`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Platform {
    /// Any other.
    Other = 0,
    /// iPhone.
    Ios = 1,
    /// Android.
    Android = 2,
    /// A browser.
    Web = 3,
    /// Windows.
    Windows = 4,
    /// macOS.
    Mac = 5,
    /// Linux.
    Linux = 6,
    /// iPad.
    Ipad = 7,
}

impl Platform {
    /// All, in the order of their numbers.
    pub const ALL: [Platform; 8] = [
        Platform::Other,
        Platform::Ios,
        Platform::Android,
        Platform::Web,
        Platform::Windows,
        Platform::Mac,
        Platform::Linux,
        Platform::Ipad,
    ];

    /// The name used on the wire, in options and in webhooks.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Platform::Other => "Other",
            Platform::Ios => "iOS",
            Platform::Android => "Android",
            Platform::Web => "Web",
            Platform::Windows => "Windows",
            Platform::Mac => "Mac",
            Platform::Linux => "Linux",
            Platform::Ipad => "iPad",
        }
    }

    /// The platform of that name; [`Platform::Other`] for an unknown one.
    #[must_use]
    pub fn from_name(name: &str) -> Platform {
        Platform::ALL
            .into_iter()
            .find(|platform| platform.name() == name)
            .unwrap_or(Platform::Other)
    }

    /// Its bit in a set of platforms.
    #[must_use]
    pub fn bit(self) -> u32 {
        1 << (self as u8)
    }
}

/// Bytes an instance id may have.
pub const INSTANCE_BYTES_MAX: usize = 64;

/// One client instance of an account (R1.3). The instance has 1 to 64 bytes; the wire checks it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceKey {
    /// What kind of device.
    pub platform: Platform,
    /// Tells it from others of its platform.
    pub instance: Box<str>,
}

/// The number of a login. Unique per user and rising, also across server restarts (R8.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

/// Names one connection of a node; chosen by the gateway, opaque to the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    /// R1.2.
    #[test]
    fn a_user_id_has_1_to_32_bytes_of_printable_ascii() {
        let longest = "x".repeat(USER_ID_BYTES_MAX);
        for good in ["a", " ", "~", "Ann Lee #1", longest.as_str()] {
            assert_eq!(UserId::new(good).as_ref().map(UserId::as_str), Ok(good));
        }
        let too_long = "x".repeat(USER_ID_BYTES_MAX + 1);
        for bad in ["", "\u{7f}", "a\tb", "a\0", "ö", too_long.as_str()] {
            assert_eq!(UserId::new(bad), Err(InvalidUserId), "{bad:?}");
        }
    }

    /// R1.1.
    #[test]
    fn no_app_has_the_number_0() {
        assert_eq!(AppId::new(0), None);
        assert_eq!(AppId::new(u64::MAX).map(AppId::get), Some(u64::MAX));
    }

    /// R1.3, R1.4.
    #[test]
    fn platforms_have_names_and_bits_of_their_own() {
        let mut bits = 0;
        for platform in Platform::ALL {
            assert_eq!(Platform::from_name(platform.name()), platform);
            assert_eq!(bits & platform.bit(), 0);
            bits |= platform.bit();
        }
        assert_eq!(Platform::from_name("Toaster"), Platform::Other);
    }
}
