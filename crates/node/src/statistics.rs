//! What a loop has done since it began, and what it holds now: plain numbers that the loop alone writes and, when it is
//! asked, reads. Nothing is shared, so counting costs an addition.

use std::time::Duration;

use crate::event_loop::Loop;
use crate::transport::Transport;

/// Upper ends of the classes of [`LoopStatistics::turns_by_length`], in microseconds; the last class has none.
pub const LATENCY_BUCKETS_US: [u64; 9] = [50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 100_000];

/// One loop's numbers. Those not said to be "now" are counted since the loop began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LoopStatistics {
    /// Connections now, those that have not logged in included.
    pub connections: u64,
    /// Devices with a connection now.
    pub devices: u64,
    /// Users with such a device now.
    pub users: u64,
    /// Users who are watched here now.
    pub watched: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Logins, reconnects included.
    pub logins: u64,
    /// Logins refused.
    pub logins_refused: u64,
    /// Requests of clients, logins included, heartbeats not.
    pub requests: u64,
    /// Changes of status or custom status of users at home here.
    pub changes: u64,
    /// Changes put into the outboxes of connections: one for each device that is told.
    pub deliveries: u64,
    /// Turns of the loop, by how long they took: what waits for this loop waits at most for one turn, so this is the
    /// delay that the server adds. Classes as in [`LATENCY_BUCKETS_US`], and one more for all that is longer.
    pub turns_by_length: [u64; LATENCY_BUCKETS_US.len() + 1],
    /// The length of all turns, in microseconds.
    pub turns_us: u64,
}

impl LoopStatistics {
    /// A turn took that long.
    pub(crate) fn count_turn(&mut self, length: Duration) {
        let us = u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
        let class = LATENCY_BUCKETS_US.iter().take_while(|end| us > **end).count();
        if let Some(count) = self.turns_by_length.get_mut(class) {
            *count += 1;
        }
        self.turns_us = self.turns_us.saturating_add(us);
    }
}

impl<T: Transport> Loop<T> {
    /// The numbers of this moment.
    pub(crate) fn statistics(&self) -> LoopStatistics {
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        LoopStatistics {
            connections: count(self.connections.len()),
            devices: count(self.hub.devices_len()),
            users: count(self.hub.locals.len()),
            watched: count(self.hub.watched.len()),
            ..self.counted
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_counted_in_the_class_whose_end_it_does_not_pass() {
        let mut counted = LoopStatistics::default();
        for us in [0, 50, 51, 100_000, 100_001] {
            counted.count_turn(Duration::from_micros(us));
        }
        assert_eq!(counted.turns_by_length, [2, 1, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!(counted.turns_us, 200_102);
    }
}
