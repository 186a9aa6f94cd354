//! Connections of the whole node: how many in all, how many of one address, and how many it may open in a second. Shared
//! by the loops, and locked only when a connection comes or goes.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use presence::time::Mono;

use crate::NodeConfig;

/// The time in which the connections that an address opens are counted.
const ACCEPT_WINDOW_MS: u64 = 1_000;
/// Addresses without a connection are remembered for [`ACCEPT_WINDOW_MS`]; beyond so many more than there are others,
/// the table is looked through, once in that time at most: whoever comes from ever new addresses does not have it done
/// for each of them, while others wait for the lock.
const IDLE_ADDRESSES_MAX: usize = 1_024;

/// Why a connection is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The node has `connections_max`.
    Full,
    /// Its address has `connections_per_address_max`.
    AddressFull,
    /// Its address opened `accepts_per_address_max` in this second.
    AddressFast,
}

impl Refused {
    /// The setting that says so.
    pub(crate) fn setting(self) -> &'static str {
        match self {
            Refused::Full => "connections_max",
            Refused::AddressFull => "connections_per_address_max",
            Refused::AddressFast => "accepts_per_address_max",
        }
    }
}

/// An address as it is counted: one of IPv4, or the /64 of IPv6 that one customer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Origin(u64);

impl Origin {
    fn of(address: IpAddr) -> Origin {
        match address.to_canonical() {
            // No /64 of the global addresses begins with so many zeros.
            IpAddr::V4(address) => Origin(u64::from(u32::from(address))),
            IpAddr::V6(address) => Origin((u128::from(address) >> 64) as u64),
        }
    }
}

/// The addresses of those who are here, and of those who were a moment ago.
#[derive(Default)]
struct Addresses {
    by_origin: HashMap<Origin, OfAddress>,
    /// When it may be looked through again.
    look_from: Mono,
}

impl Addresses {
    /// Forgets who has no connection and opened none lately, where there are many more than the `open` connections.
    fn forget_idle(&mut self, open: usize, now: Mono) {
        if self.by_origin.len() <= open.saturating_add(IDLE_ADDRESSES_MAX) || now < self.look_from {
            return;
        }
        self.look_from = Mono(now.0.saturating_add(ACCEPT_WINDOW_MS));
        self.by_origin
            .retain(|_, of| of.open > 0 || is_within(of.since, now));
    }
}

#[derive(Default)]
struct OfAddress {
    open: u32,
    /// Accepted in the window that began then.
    accepted: u32,
    since: Mono,
}

/// See the module.
pub(crate) struct Limits {
    open: AtomicUsize,
    connections_max: usize,
    per_address_max: usize,
    accepts_max: usize,
    addresses: Mutex<Addresses>,
}

impl Limits {
    pub(crate) fn new(config: &NodeConfig) -> Limits {
        Limits {
            open: AtomicUsize::new(0),
            connections_max: config.connections_max,
            per_address_max: config.connections_per_address_max,
            accepts_max: config.accepts_per_address_max,
            addresses: Mutex::default(),
        }
    }

    /// Counts one more, unless that is too many.
    pub(crate) fn open_one(&self, peer: IpAddr, now: Mono) -> Result<(), Refused> {
        if self.open.fetch_add(1, Ordering::Relaxed) >= self.connections_max {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return Err(Refused::Full);
        }
        let result = self.open_of_address(Origin::of(peer), now);
        if result.is_err() {
            self.open.fetch_sub(1, Ordering::Relaxed);
        }
        result
    }

    fn open_of_address(&self, origin: Origin, now: Mono) -> Result<(), Refused> {
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        addresses.forget_idle(self.open.load(Ordering::Relaxed), now);
        let of = addresses.by_origin.entry(origin).or_insert_with(|| OfAddress {
            since: now,
            ..OfAddress::default()
        });
        if !is_within(of.since, now) {
            of.since = now;
            of.accepted = 0;
        }
        if of.open as usize >= self.per_address_max {
            return Err(Refused::AddressFull);
        }
        if of.accepted as usize >= self.accepts_max {
            return Err(Refused::AddressFast);
        }
        of.open += 1;
        of.accepted += 1;
        Ok(())
    }

    pub(crate) fn close_one(&self, peer: IpAddr) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of) = addresses.by_origin.get_mut(&Origin::of(peer)) {
            of.open = of.open.saturating_sub(1);
        }
    }
}

fn is_within(since: Mono, now: Mono) -> bool {
    now.0.saturating_sub(since.0) < ACCEPT_WINDOW_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(connections_max: usize, per_address_max: usize, accepts_max: usize) -> Limits {
        Limits::new(&NodeConfig {
            connections_max,
            connections_per_address_max: per_address_max,
            accepts_per_address_max: accepts_max,
            ..NodeConfig::default()
        })
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn an_address_has_its_share_and_leaves_others_theirs() {
        let limits = limits(10, 2, 100);
        let (one, other) = (address("10.0.0.1"), address("10.0.0.2"));
        let now = Mono(5);
        assert_eq!(limits.open_one(one, now), Ok(()));
        assert_eq!(
            limits.open_one(address("::ffff:10.0.0.1"), now),
            Ok(()),
            "the same address"
        );
        assert_eq!(limits.open_one(one, now), Err(Refused::AddressFull));
        assert_eq!(limits.open_one(other, now), Ok(()));
        limits.close_one(one);
        assert_eq!(limits.open_one(one, now), Ok(()));
    }

    #[test]
    fn an_address_opens_so_many_a_second() {
        let limits = limits(1_000, 1_000, 3);
        let (one, other) = (address("2001:db8::1"), address("2001:db8:0:1::1"));
        for _ in 0..3 {
            assert_eq!(limits.open_one(one, Mono(10)), Ok(()));
            limits.close_one(one);
        }
        assert_eq!(
            limits.open_one(address("2001:db8::2"), Mono(1_009)),
            Err(Refused::AddressFast)
        );
        assert_eq!(limits.open_one(other, Mono(1_009)), Ok(()), "another /64");
        assert_eq!(limits.open_one(one, Mono(1_010)), Ok(()), "a second later");
    }

    #[test]
    fn the_node_is_full_for_everybody_and_refusals_do_not_count() {
        let limits = limits(2, 2, 100);
        assert_eq!(limits.open_one(address("10.0.0.1"), Mono(0)), Ok(()));
        assert_eq!(limits.open_one(address("10.0.0.2"), Mono(0)), Ok(()));
        for _ in 0..5 {
            assert_eq!(limits.open_one(address("10.0.0.3"), Mono(0)), Err(Refused::Full));
        }
        limits.close_one(address("10.0.0.1"));
        assert_eq!(limits.open_one(address("10.0.0.3"), Mono(0)), Ok(()));
    }

    #[test]
    fn addresses_that_come_once_are_forgotten() {
        let limits = limits(10, 2, 100);
        for number in 0..50_000_u32 {
            let peer = IpAddr::from(number.to_be_bytes());
            assert_eq!(limits.open_one(peer, Mono(u64::from(number))), Ok(()));
            limits.close_one(peer);
        }
        let addresses = limits.addresses.lock().expect("no panic");
        assert!(addresses.by_origin.len() <= 2 * IDLE_ADDRESSES_MAX + 10);
    }

    #[test]
    fn the_table_is_not_looked_through_for_each_of_many_new_addresses() {
        let mut addresses = Addresses::default();
        let count = u64::try_from(IDLE_ADDRESSES_MAX).expect("a small number") + 1;
        let add = |addresses: &mut Addresses, since| {
            let first = addresses.by_origin.len() as u64;
            for number in first..first + count {
                let idle = OfAddress {
                    since: Mono(since),
                    ..OfAddress::default()
                };
                addresses.by_origin.insert(Origin(number), idle);
            }
        };
        add(&mut addresses, 0);
        addresses.forget_idle(0, Mono(1_500));
        assert!(addresses.by_origin.is_empty(), "all were here long ago");
        add(&mut addresses, 0);
        addresses.forget_idle(0, Mono(2_499));
        assert!(
            !addresses.by_origin.is_empty(),
            "it was looked through within this second"
        );
        addresses.forget_idle(0, Mono(2_500));
        assert!(addresses.by_origin.is_empty());
    }
}
