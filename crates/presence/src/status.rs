//! What others may see of a user: common status, custom status, since when, at which version, why.

use std::sync::Arc;

use crate::time::Wall;

/// The common status (R2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Status {
    /// At least one live device (R2.1).
    Online = 1,
    /// No live device, and at least one went away without a logout (R2.2).
    Offline = 2,
    /// Registered and never logged in, or every device logged out (R2.3).
    Unlogined = 3,
}

impl Status {
    /// Its number on the wire and in C.
    #[must_use]
    pub fn number(self) -> i32 {
        self as i32
    }

    /// The status of that number; `None` for 0 (UNKNOWN) and for numbers of a newer version (R2.5).
    #[must_use]
    pub fn from_number(number: i32) -> Option<Status> {
        [Status::Online, Status::Offline, Status::Unlogined]
            .into_iter()
            .find(|status| status.number() == number)
    }
}

/// Why a presence last changed (R6.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Reason {
    /// A device logged in.
    Login = 1,
    /// The last device logged out.
    Logout = 2,
    /// The last connection ended (FIN, RST).
    LinkClosed = 3,
    /// The last connection fell silent.
    Timeout = 4,
    /// The custom status was set or cleared by the user.
    CustomStatus = 5,
    /// The backend kicked the account (R8.7).
    Kicked = 6,
    /// The UserSig of the last device expired (R8.4).
    Expired = 7,
    /// The server did it: registration, restart, deletion.
    Server = 8,
}

impl Reason {
    /// All, in the order of their numbers.
    pub const ALL: [Reason; 8] = [
        Reason::Login,
        Reason::Logout,
        Reason::LinkClosed,
        Reason::Timeout,
        Reason::CustomStatus,
        Reason::Kicked,
        Reason::Expired,
        Reason::Server,
    ];

    /// Its number on the wire and in C.
    #[must_use]
    pub fn number(self) -> i32 {
        self as i32
    }

    /// The reason of that number; `None` for 0 and for numbers of a newer version.
    #[must_use]
    pub fn from_number(number: i32) -> Option<Reason> {
        Reason::ALL.into_iter().find(|reason| reason.number() == number)
    }
}

/// Orders the presences of one user (R6.5). Below 2^53.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Version(pub u64);

impl Version {
    /// The version of the next change: above this one and not below the floor of this start (R6.5).
    #[must_use]
    pub fn next(self, floor: Version) -> Version {
        let next = Version((self.0 + 1).max(floor.0));
        debug_assert!(
            next <= VERSION_MAX,
            "a version of 2^53 and more: the engine's floor is wrong"
        );
        next
    }
}

/// The largest version (R6.5): what a double holds exactly.
pub const VERSION_MAX: Version = Version((1 << 53) - 1);

/// A custom status: UTF-8 without U+0000, of bounded length (R3.1). Empty: none. Checked by [`CustomStatus::new`].
/// Clones share the text: whoever asks for many users' presences copies none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CustomStatus(Option<Arc<str>>);

/// Why a text cannot be a custom status (R3.1, 6017).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidCustomStatus {
    /// More than this many bytes.
    TooLong {
        /// The limit.
        bytes_max: usize,
    },
    /// It holds U+0000.
    HasNul,
}

impl CustomStatus {
    /// Checks R3.1.
    pub fn new(text: &str, bytes_max: usize) -> Result<CustomStatus, InvalidCustomStatus> {
        if text.len() > bytes_max {
            return Err(InvalidCustomStatus::TooLong { bytes_max });
        }
        if text.contains('\0') {
            return Err(InvalidCustomStatus::HasNul);
        }
        Ok(CustomStatus((!text.is_empty()).then(|| text.into())))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

/// What others may see of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    /// The common status.
    pub status: Status,
    /// Empty unless ONLINE (R3.3).
    pub custom: CustomStatus,
    /// Raised by each change.
    pub version: Version,
    /// Server time of the last change.
    pub since: Wall,
    /// Why it last changed.
    pub reason: Reason,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R3.1: bytes, not characters.
    #[test]
    fn a_custom_status_is_measured_in_bytes() {
        let text = "ö".repeat(50);
        assert_eq!(
            CustomStatus::new(&text, 100).as_ref().map(CustomStatus::as_str),
            Ok(text.as_str())
        );
        assert_eq!(
            CustomStatus::new(&text, 99),
            Err(InvalidCustomStatus::TooLong { bytes_max: 99 })
        );
        assert_eq!(CustomStatus::new("a\0b", 100), Err(InvalidCustomStatus::HasNul));
        assert!(CustomStatus::new("", 0).is_ok_and(|custom| custom.is_empty()));
    }

    /// R2.5.
    #[test]
    fn a_number_of_a_newer_version_is_no_status_and_no_reason() {
        for status in [Status::Online, Status::Offline, Status::Unlogined] {
            assert_eq!(Status::from_number(status.number()), Some(status));
        }
        for reason in Reason::ALL {
            assert_eq!(Reason::from_number(reason.number()), Some(reason));
        }
        for unknown in [-1, 0, 9, i32::MAX] {
            assert_eq!(
                (Status::from_number(unknown), Reason::from_number(unknown)),
                (None, None)
            );
        }
        assert_eq!(Status::from_number(4), None);
    }

    /// R6.5.
    #[test]
    fn the_next_version_is_above_the_last_and_not_below_the_floor() {
        assert_eq!(Version(7).next(Version(3)), Version(8));
        assert_eq!(Version(7).next(Version(8)), Version(8));
        assert_eq!(Version(7).next(Version(50)), Version(50));
    }
}
