//! How much one address, and one app, may ask of the administration.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use presence::ids::AppId;

use super::routes::Operation;

/// Addresses, or pairs of app and operation, that are remembered at once. Past it those longest unused are forgotten.
const REMEMBERED_MAX: usize = 4_096;

/// What counts as one address: of IPv6 the /64 that one customer has.
fn origin(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let prefix = u128::from(address) & (u128::MAX << 64);
            IpAddr::V6(Ipv6Addr::from(prefix))
        }
    }
}

/// A panic ends the server (`run::end_on_panic`), so a poisoned lock guards nothing broken.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Connections at once.
pub struct Connections {
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
    all_max: usize,
    per_address_max: usize,
}

/// One connection, until it is dropped.
pub struct Admitted {
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
    origin: IpAddr,
}

impl Connections {
    pub fn new(all_max: usize, per_address_max: usize) -> Connections {
        Connections {
            open: Arc::default(),
            all_max,
            per_address_max,
        }
    }

    /// Counts one more, unless that is too many.
    pub fn admit(&self, address: IpAddr) -> Option<Admitted> {
        let origin = origin(address);
        let mut open = locked(&self.open);
        if open.values().sum::<usize>() >= self.all_max {
            return None;
        }
        let count = open.entry(origin).or_default();
        if *count >= self.per_address_max {
            return None;
        }
        *count += 1;
        let open = Arc::clone(&self.open);
        Some(Admitted { open, origin })
    }
}

/// The log says at most this often that connections were refused.
const REFUSALS_LOGGED_EVERY: Duration = Duration::from_secs(10);

/// Connections that were refused and not yet told of: whoever floods the server must not flood its log.
#[derive(Default)]
pub struct Refusals {
    untold: u64,
    told_at: Option<Instant>,
}

impl Refusals {
    /// One more; if it is time to tell of them, how many there were since the last time.
    pub fn add(&mut self, now: Instant) -> Option<u64> {
        self.untold += 1;
        let is_soon = |at| now.saturating_duration_since(at) < REFUSALS_LOGGED_EVERY;
        if self.told_at.is_some_and(is_soon) {
            return None;
        }
        self.told_at = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut open = locked(&self.open);
        if let Some(count) = open.get_mut(&self.origin) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.origin);
            }
        }
    }
}

/// Things remembered by key, the longest unused forgotten when there are too many.
struct Remembered<K, V> {
    entries: HashMap<K, (Instant, V)>,
}

impl<K: Hash + Eq + Copy, V> Remembered<K, V> {
    fn of(&mut self, key: K, now: Instant, make: impl FnOnce() -> V) -> &mut V {
        if self.entries.len() >= REMEMBERED_MAX && !self.entries.contains_key(&key) {
            // Rare, and the table is small.
            let oldest = self
                .entries
                .iter()
                .min_by_key(|(_, (used, _))| *used)
                .map(|(key, _)| *key);
            if let Some(oldest) = oldest {
                self.entries.remove(&oldest);
            }
        }
        let entry = self.entries.entry(key).or_insert_with(|| (now, make()));
        entry.0 = now;
        &mut entry.1
    }
}

/// What each app may ask in a second, by operation: a bucket that holds so many calls, and is filled so fast.
pub struct Rates {
    per_second: u32,
    buckets: Mutex<Remembered<(AppId, Operation), Bucket>>,
}

struct Bucket {
    calls: f64,
    filled: Instant,
}

impl Rates {
    /// 0: no limit.
    pub fn new(per_second: u32) -> Rates {
        let entries = HashMap::new();
        Rates {
            per_second,
            buckets: Mutex::new(Remembered { entries }),
        }
    }

    /// Takes one call, or says how long to wait for one.
    pub fn take(&self, app: AppId, operation: Operation, now: Instant) -> Result<(), Duration> {
        if self.per_second == 0 {
            return Ok(());
        }
        let full = f64::from(self.per_second);
        let mut buckets = locked(&self.buckets);
        let bucket = buckets.of((app, operation), now, || Bucket {
            calls: full,
            filled: now,
        });
        let passed = now.saturating_duration_since(bucket.filled).as_secs_f64();
        bucket.calls = (bucket.calls + passed * full).min(full);
        bucket.filled = now;
        if bucket.calls < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - bucket.calls) / full));
        }
        bucket.calls -= 1.0;
        Ok(())
    }
}

/// Failed authentications by address: past so many in a window, more are refused for as long.
pub struct Failures {
    failures_max: usize,
    window: Duration,
    by_address: Mutex<Remembered<IpAddr, Vec<Instant>>>,
}

impl Failures {
    /// `failures_max` 0: no limit.
    pub fn new(failures_max: usize, window: Duration) -> Failures {
        let entries = HashMap::new();
        Failures {
            failures_max,
            window,
            by_address: Mutex::new(Remembered { entries }),
        }
    }

    /// One more.
    pub fn record(&self, address: IpAddr, now: Instant) {
        if self.failures_max == 0 {
            return;
        }
        let mut by_address = locked(&self.by_address);
        let times = by_address.of(origin(address), now, Vec::new);
        times.retain(|time| now.saturating_duration_since(*time) < self.window);
        times.push(now);
        // Those that decide are the newest.
        let surplus = times.len().saturating_sub(self.failures_max);
        times.drain(..surplus);
    }

    /// How long the address is refused.
    pub fn refused_for(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let by_address = locked(&self.by_address);
        let (_, times) = by_address.entries.get(&origin(address))?;
        if times.len() < self.failures_max {
            return None;
        }
        let first = times.first()?;
        let newest = times.last()?;
        // That many within the window.
        if newest.saturating_duration_since(*first) >= self.window {
            return None;
        }
        (*newest + self.window)
            .checked_duration_since(now)
            .filter(|wait| !wait.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::routes::V4;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn elsewhere() -> IpAddr {
        "192.0.2.7".parse().unwrap()
    }

    #[test]
    fn refusals_are_told_of_at_once_and_then_together() {
        let (mut refusals, now) = (Refusals::default(), Instant::now());
        assert_eq!(refusals.add(now), Some(1));
        for _ in 0..1_000 {
            assert_eq!(refusals.add(now + Duration::from_secs(9)), None);
        }
        assert_eq!(refusals.add(now + REFUSALS_LOGGED_EVERY), Some(1_001));
    }

    #[test]
    fn connections_are_counted_in_all_and_by_address() {
        let connections = Connections::new(3, 2);
        let first = connections.admit(HERE);
        let second = connections.admit(HERE);
        assert!(first.is_some() && second.is_some());
        assert!(connections.admit(HERE).is_none(), "two of one address");
        let third = connections.admit(elsewhere());
        assert!(third.is_some());
        assert!(
            connections.admit("192.0.2.8".parse().unwrap()).is_none(),
            "three in all"
        );
        drop(first);
        assert!(connections.admit(HERE).is_some());
    }

    #[test]
    fn a_customers_ipv6_addresses_are_one() {
        let of = |text: &str| origin(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::7"), of("2001:db8:1:2:ffff::1"));
        assert_ne!(of("2001:db8:1:2::7"), of("2001:db8:1:3::7"));
        assert_eq!(of("::ffff:192.0.2.7"), elsewhere());
    }

    #[test]
    fn an_operation_of_an_app_has_its_calls_a_second() {
        const KICK: Operation = Operation::V4(V4::Kick);
        let rates = Rates::new(2);
        let app = |id| AppId::new(id).unwrap();
        let start = Instant::now();
        let take = |id, operation, ms| rates.take(app(id), operation, start + Duration::from_millis(ms));
        assert_eq!(take(1, KICK, 0), Ok(()));
        assert_eq!(take(1, KICK, 0), Ok(()));
        assert_eq!(take(1, KICK, 0), Err(Duration::from_millis(500)));
        assert_eq!(take(1, Operation::V4(V4::AccountImport), 0), Ok(()));
        assert_eq!(take(2, KICK, 0), Ok(()));
        assert_eq!(take(1, KICK, 500), Ok(()));
        assert!(take(1, KICK, 500).is_err());
        let off = Rates::new(0);
        for _ in 0..1_000 {
            assert_eq!(off.take(app(1), KICK, start), Ok(()));
        }
    }

    #[test]
    fn an_address_that_fails_often_is_refused_for_a_while() {
        let failures = Failures::new(2, Duration::from_secs(60));
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        failures.record(HERE, at(0));
        assert_eq!(failures.refused_for(HERE, at(1)), None);
        failures.record(HERE, at(10));
        assert_eq!(failures.refused_for(HERE, at(11)), Some(Duration::from_secs(59)));
        assert_eq!(failures.refused_for(elsewhere(), at(11)), None);
        assert_eq!(failures.refused_for(HERE, at(70)), None);
        failures.record(HERE, at(70));
        assert_eq!(
            failures.refused_for(HERE, at(71)),
            None,
            "the first two are long ago"
        );
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let failures = Failures::new(1, Duration::from_secs(60));
        let now = Instant::now();
        for number in 0..u32::try_from(REMEMBERED_MAX).unwrap() + 10 {
            failures.record(
                IpAddr::from(number.to_be_bytes()),
                now + Duration::from_millis(number.into()),
            );
        }
        assert_eq!(locked(&failures.by_address).entries.len(), REMEMBERED_MAX);
        let newest = IpAddr::from((u32::try_from(REMEMBERED_MAX).unwrap() + 9).to_be_bytes());
        assert!(
            failures
                .refused_for(newest, now + Duration::from_secs(5))
                .is_some()
        );
    }
}
