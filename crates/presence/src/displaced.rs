//! Logins that a newer one displaced: the device learns of it when it returns, however late (R8.3).

use crate::ids::{DeviceKey, SessionId};

/// Displaced logins remembered per user, so that a device that returns late learns of it (R8.3). A displaced device
/// that is connected is told at once; only one that was away needs this, and 16 of them are more than a person owns.
/// Past it the oldest is forgotten: its return is a new login.
pub const DISPLACED_LOGINS_MAX: usize = 16;

/// A login that was displaced, and by a digest whose it was: another device that names its number is not it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Displaced {
    pub(crate) session: SessionId,
    pub(crate) device: u64,
}

/// Those of one account, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct DisplacedLogins(Vec<Displaced>);

impl DisplacedLogins {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Displaced> + '_ {
        self.0.iter()
    }

    /// Whether this login of that device is one of them.
    pub(crate) fn has(&self, session: SessionId, key: &DeviceKey) -> bool {
        self.0.contains(&Displaced {
            session,
            device: digest(key),
        })
    }

    /// Keeps [`DISPLACED_LOGINS_MAX`].
    pub(crate) fn remember(&mut self, session: SessionId, key: &DeviceKey) {
        if self.0.len() >= DISPLACED_LOGINS_MAX {
            self.0.remove(0);
        }
        self.0.push(Displaced {
            session,
            device: digest(key),
        });
    }
}

impl FromIterator<Displaced> for DisplacedLogins {
    fn from_iter<I: IntoIterator<Item = Displaced>>(logins: I) -> DisplacedLogins {
        DisplacedLogins(logins.into_iter().collect())
    }
}

/// FNV-1a of a device key: stable, so that it may be stored.
fn digest(key: &DeviceKey) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325_u64;
    std::iter::once(key.platform as u8)
        .chain(key.instance.bytes())
        .fold(start, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Platform::Ios;
    use crate::scene::{On, Scene};

    #[test]
    fn the_oldest_displaced_login_is_forgotten_past_the_limit() {
        let mut scene = Scene::new();
        let all: Vec<On> = (0..DISPLACED_LOGINS_MAX + 2)
            .map(|count| scene.log_in(Ios, &format!("phone {count}")))
            .collect();
        let refused = |scene: &mut Scene, index: usize| {
            scene
                .attempt(Ios, &format!("phone {index}"), Some(all[index]), i64::MAX)
                .is_err()
        };
        assert!(refused(&mut scene, 1) && refused(&mut scene, DISPLACED_LOGINS_MAX));
        assert!(!refused(&mut scene, 0), "the oldest of one more than the limit");
    }
}
