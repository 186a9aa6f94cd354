//! The names of servers, looked up by the system for all clients of a process.
//!
//! The system's call blocks and cannot be called off, so each look-up has a thread of its own, which a resolver that hangs (the one
//! of a network that is gone is the usual one) keeps. Hence attempts to connect to the same host share a look-up. One without an
//! answer keeps nobody from another for long: the next may begin [`GAP_MIN`] after it, and then each after twice the time. So a
//! resolver that is back is noticed in at most as long as it was away, and an hour's silence has cost 14 threads. The first to
//! bring addresses answers all who wait; that there are none is believed of the newest alone, for an older one may ask in a
//! network that is gone.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use tokio::time::{Duration, Instant, timeout_at};

use crate::visible::lock;

/// How long the first look-up of a name is waited for before another may begin; twice as long for each further one.
const GAP_MIN: Duration = Duration::from_millis(250);

/// Look-ups of a process that the system has not ended, of all names. Each is a thread; this is enough for four names whose
/// look-ups hang for a minute.
const LOOK_UPS_MAX: usize = 32;

/// Looks a name up, and may take its time: runs on a thread of its own. Addresses, not IP addresses alone, which have no scope
/// (`fe80::1%eth0`); the port is of no interest.
type LookUpFn = dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// See the module.
pub(crate) struct Resolver {
    look_up: Box<LookUpFn>,
    names: Mutex<Names>,
}

impl Resolver {
    /// Asks the system.
    pub(crate) fn system() -> Resolver {
        Resolver::new(|host| (host, 0).to_socket_addrs().map(Iterator::collect))
    }

    /// Asks `look_up`.
    pub(crate) fn new(
        look_up: impl Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> Resolver {
        Resolver {
            look_up: Box::new(look_up),
            names: Mutex::default(),
        }
    }

    /// The addresses of `host`, in the order of the system's preference, with whatever port. Waits as long as the system does; dropping it
    /// gives up. `WouldBlock` if [`LOOK_UPS_MAX`] of other names have not ended.
    pub(crate) async fn resolve(self: &Arc<Self>, host: &str) -> io::Result<Vec<SocketAddr>> {
        loop {
            let turn = lock(&self.names).turn(host, Instant::now())?;
            let (mut answer, next_due) = match turn {
                Turn::Begin(look_up, answer) => {
                    self.begin(host, look_up);
                    (answer, None)
                }
                Turn::Wait(answer, next_due) => (answer, next_due),
            };
            let given = answer.wait_for(Option::is_some);
            let given = match next_due {
                None => given.await,
                Some(due) => match timeout_at(due, given).await {
                    Ok(given) => given,
                    // It is this attempt's turn to begin one, unless another was faster.
                    Err(_) => continue,
                },
            };
            return match given.ok().as_deref() {
                Some(Some(Ok(addresses))) => Ok(addresses.to_vec()),
                Some(Some(Err(error))) => Err(io::Error::new(error.kind(), error.to_string())),
                Some(None) | None => Err(io::Error::other("the look-up of the name was lost")),
            };
        }
    }

    /// Does it on a thread of its own: tokio's pool would make the end of the runtime wait for it. The thread may outlive
    /// all clients.
    fn begin(self: &Arc<Self>, host: &str, look_up: LookUp) {
        let (resolver, name) = (Arc::clone(self), host.to_owned());
        let started = std::thread::Builder::new()
            .name("tim-resolve".into())
            .spawn(move || {
                let found = catch_unwind(AssertUnwindSafe(|| (resolver.look_up)(&name)))
                    .unwrap_or_else(|_| Err(io::Error::other("the look-up of the name panicked")));
                lock(&resolver.names).ended(&name, look_up, found);
            });
        if let Err(error) = started {
            lock(&self.names).ended(host, look_up, Err(error));
        }
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

/// What all who wait for a name are given; `None` until it is there.
type Answer = Option<Result<Vec<SocketAddr>, io::Error>>;

/// The names that are being looked up. Knows no threads and no clock.
#[derive(Default)]
struct Names {
    asked: HashMap<String, Asked>,
    /// Look-ups that have not ended, also of names that were answered meanwhile.
    running: usize,
    /// The number of the next look-up.
    next: u64,
}

/// A name without an answer.
struct Asked {
    answer: watch::Sender<Answer>,
    /// The look-ups for it that have not ended, oldest first.
    running: Vec<LookUp>,
    newest_began: Instant,
}

/// The number of a look-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LookUp(u64);

/// What an attempt to connect is to do about a name.
#[derive(Debug)]
enum Turn {
    /// Begin this look-up, and wait.
    Begin(LookUp, watch::Receiver<Answer>),
    /// Wait, and ask again when a further look-up may begin; `None`: none may.
    Wait(watch::Receiver<Answer>, Option<Instant>),
}

impl Names {
    fn turn(&mut self, host: &str, now: Instant) -> io::Result<Turn> {
        let is_full = self.running >= LOOK_UPS_MAX;
        let Some(asked) = self.asked.get_mut(host) else {
            if is_full {
                let text = format!("{LOOK_UPS_MAX} earlier look-ups of other names have no answer yet");
                return Err(io::Error::new(io::ErrorKind::WouldBlock, text));
            }
            let (answer, answered) = watch::channel(None);
            let asked = Asked {
                answer,
                running: Vec::new(),
                newest_began: now,
            };
            self.asked.insert(host.to_owned(), asked);
            return Ok(Turn::Begin(self.start(host, now), answered));
        };
        let answered = asked.answer.subscribe();
        let next_due = asked.next_due();
        if now < next_due {
            return Ok(Turn::Wait(answered, Some(next_due)));
        }
        if is_full {
            return Ok(Turn::Wait(answered, None));
        }
        Ok(Turn::Begin(self.start(host, now), answered))
    }

    fn start(&mut self, host: &str, now: Instant) -> LookUp {
        let look_up = LookUp(self.next);
        self.next += 1;
        self.running += 1;
        if let Some(asked) = self.asked.get_mut(host) {
            asked.running.push(look_up);
            asked.newest_began = now;
        }
        look_up
    }

    /// `look_up`, which was begun for `host`, came to an end.
    fn ended(&mut self, host: &str, look_up: LookUp, found: io::Result<Vec<SocketAddr>>) {
        self.running -= 1;
        let Some(asked) = self.asked.get_mut(host) else {
            return;
        };
        let is_newest = asked.running.last() == Some(&look_up);
        let Some(place) = asked.running.iter().position(|running| *running == look_up) else {
            // Of an earlier time: the name was answered, and asked for anew.
            return;
        };
        asked.running.remove(place);
        if (found.is_ok() || is_newest)
            && let Some(asked) = self.asked.remove(host)
        {
            asked.answer.send_replace(Some(found));
        }
    }
}

impl Asked {
    /// When a further look-up may begin.
    fn next_due(&self) -> Instant {
        let doublings = u32::try_from(self.running.len().saturating_sub(1)).unwrap_or(u32::MAX);
        let gap = GAP_MIN.saturating_mul(1u32.checked_shl(doublings).unwrap_or(u32::MAX));
        self.newest_began + gap
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::mpsc;

    use super::*;

    const ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

    fn failure() -> io::Result<Vec<SocketAddr>> {
        Err(io::Error::other("no such name"))
    }

    impl Names {
        fn begins(&mut self, host: &str, now: Instant) -> (LookUp, watch::Receiver<Answer>) {
            match self.turn(host, now).unwrap() {
                Turn::Begin(look_up, answer) => (look_up, answer),
                Turn::Wait(..) => panic!("{host} has to wait"),
            }
        }

        fn waits(&mut self, host: &str, now: Instant) -> (watch::Receiver<Answer>, Option<Instant>) {
            match self.turn(host, now).unwrap() {
                Turn::Wait(answer, next_due) => (answer, next_due),
                Turn::Begin(look_up, _) => panic!("{host} begins {look_up:?}"),
            }
        }
    }

    fn addresses(answer: &watch::Receiver<Answer>) -> Option<Vec<SocketAddr>> {
        answer
            .borrow()
            .as_ref()
            .map(|found| found.as_ref().unwrap().clone())
    }

    #[test]
    fn attempts_of_one_moment_share_a_look_up() {
        let mut names = Names::default();
        let now = Instant::now();
        let (look_up, first) = names.begins("a", now);
        let (second, next_due) = names.waits("a", now);
        assert_eq!(next_due, Some(now + GAP_MIN));
        let (of_another, other) = names.begins("b", now);
        names.ended("a", look_up, Ok(vec![ADDRESS]));
        assert_eq!(
            (addresses(&first), addresses(&second)),
            (Some(vec![ADDRESS]), Some(vec![ADDRESS]))
        );
        assert_eq!(addresses(&other), None);
        names.ended("b", of_another, failure());
        assert!(names.asked.is_empty() && names.running == 0);
        names.begins("a", now);
    }

    #[test]
    fn beside_look_ups_that_hang_another_begins_after_twice_the_time() {
        let mut names = Names::default();
        let begun = Instant::now();
        let mut now = begun;
        let mut times = Vec::new();
        for _ in 0..9 {
            names.begins("a", now);
            times.push((now - begun).as_millis());
            now = names.waits("a", now).1.unwrap();
        }
        assert_eq!(times, [0, 250, 750, 1750, 3750, 7750, 15750, 31750, 63750]);
        let mut count = times.len();
        while now <= begun + Duration::from_secs(3_600) {
            names.begins("a", now);
            count += 1;
            now = names.waits("a", now).1.unwrap();
        }
        assert_eq!(count, 14, "in an hour, as the page of the module says");
    }

    #[test]
    fn the_first_addresses_answer_all_and_a_failure_counts_of_the_newest_alone() {
        let mut names = Names::default();
        let begun = Instant::now();
        let (first, waiting) = names.begins("a", begun);
        let (second, _) = names.begins("a", begun + GAP_MIN);
        let (third, _) = names.begins("a", begun + 4 * GAP_MIN);
        names.ended("a", first, failure());
        assert!(
            waiting.borrow().is_none(),
            "it asked in a network that may be gone"
        );
        names.ended("a", second, Ok(vec![ADDRESS]));
        assert_eq!(addresses(&waiting), Some(vec![ADDRESS]));

        let (fourth, waiting) = names.begins("a", begun + 4 * GAP_MIN);
        names.ended("a", third, failure());
        assert!(waiting.borrow().is_none(), "of the time before that answer");
        names.ended("a", fourth, failure());
        assert!(waiting.borrow().as_ref().is_some_and(Result::is_err));
        assert_eq!(names.running, 0);
    }

    #[test]
    fn look_ups_are_bounded_and_one_that_ends_gives_its_place_back() {
        let mut names = Names::default();
        let now = Instant::now();
        let hanging: Vec<LookUp> = (0..LOOK_UPS_MAX)
            .map(|number| names.begins(&number.to_string(), now).0)
            .collect();
        let refused = names.turn("another", now).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
        assert!(refused.to_string().contains("32 earlier look-ups"), "{refused}");
        let much_later = now + Duration::from_secs(3_600);
        assert_eq!(names.waits("0", much_later).1, None);
        names.ended("0", hanging[0], failure());
        names.begins("another", now);
    }

    #[tokio::test]
    async fn a_look_up_that_hangs_keeps_nobody_from_the_next() {
        let (release, hangs) = mpsc::channel::<()>();
        let hangs = Mutex::new(Some(hangs));
        let resolver = Arc::new(Resolver::new(move |host| {
            assert_eq!(host, "a");
            let first = hangs.lock().unwrap().take();
            if let Some(hangs) = first {
                // Until the test is over.
                let _ = hangs.recv();
            }
            Ok(vec![ADDRESS])
        }));
        let both = tokio::time::timeout(Duration::from_secs(60), async {
            tokio::join!(resolver.resolve("a"), resolver.resolve("a"))
        });
        let (first, second) = both.await.unwrap();
        assert_eq!((first.unwrap(), second.unwrap()), (vec![ADDRESS], vec![ADDRESS]));
        drop(release);
    }

    #[tokio::test]
    async fn a_look_up_that_panics_is_a_failure() {
        let resolver = Arc::new(Resolver::new(|_| std::panic::resume_unwind(Box::new("a bug"))));
        let failed = resolver.resolve("a").await.unwrap_err();
        assert!(failed.to_string().contains("panicked"), "{failed}");
        assert!(lock(&resolver.names).running == 0);
    }
}
