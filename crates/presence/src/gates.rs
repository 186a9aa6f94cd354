//! Which calls of one user are let through, in the order of R7.1: plan, switch, size, rate.
//! (Arguments and login come before, in the client and the gateway; each id comes after, in the engine.)

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use crate::ids::UserId;
use crate::settings::{AppSettings, Plan};
use crate::time::Mono;

/// The calls that have an allowance of their own (R7.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// `getUserStatus` of anyone but oneself alone (R4.2).
    Query,
    /// `subscribe`.
    Subscribe,
    /// `unsubscribe`.
    Unsubscribe,
}

/// Why a call is refused. Nothing was counted (R7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// 7013 (R7.2).
    Plan,
    /// 72001 (R7.3).
    SwitchedOff,
    /// 6017: no ids (R4.1, R5.1).
    NoIds,
    /// 6017: more different ids than the limit (R4.1, R5.1, R5.7).
    TooManyIds {
        /// The limit.
        ids_max: usize,
    },
    /// 7008 (R7.5).
    Rate {
        /// When the same call would be let through.
        retry_after: Duration,
    },
}

/// The allowances of one user. One pointer while unused.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gates {
    rate: Option<Box<Rate>>,
}

/// When the calls of each kind were let through, oldest first, as far back as the window reaches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Rate {
    query: VecDeque<Mono>,
    subscribe: VecDeque<Mono>,
    unsubscribe: VecDeque<Mono>,
}

impl Gates {
    /// Lets a call on `ids` (as given, repeats and ill-formed ones included) through or refuses it, and answers the
    /// different ids in order of first mention. Counts the call only if it is let through. A query of `caller` alone
    /// passes without plan, switch and rate (R4.2). An unsubscribe without ids is allowed (R5.7).
    ///
    /// Settings may differ from call to call. Calls let through while the limit was off are not counted later, and a
    /// longer window does not bring back calls that a shorter one had forgotten.
    pub fn admit<'a>(
        &mut self,
        call: Call,
        caller: &UserId,
        ids: &[&'a str],
        now: Mono,
        settings: &AppSettings,
    ) -> Result<Vec<&'a str>, Refusal> {
        if call == Call::Query
            && let Some(first) = ids.first()
            && ids.iter().all(|id| *id == caller.as_str())
        {
            return Ok(vec![*first]);
        }
        match settings.plan {
            Plan::Basic => return Err(Refusal::Plan),
            Plan::Ultimate => {}
        }
        if !settings.user_status {
            return Err(Refusal::SwitchedOff);
        }
        let different = different(ids, call.ids_max(settings))?;
        if different.is_empty() && call != Call::Unsubscribe {
            return Err(Refusal::NoIds);
        }
        if settings.rate_calls > 0 {
            self.rate.get_or_insert_default().count(call, now, settings)?;
        }
        Ok(different)
    }
}

impl Rate {
    /// R7.5: lets through the call if fewer than `rate_calls` were within `rate_window` before it, else says when it
    /// will be so.
    fn count(&mut self, call: Call, now: Mono, settings: &AppSettings) -> Result<(), Refusal> {
        let calls = match call {
            Call::Query => &mut self.query,
            Call::Subscribe => &mut self.subscribe,
            Call::Unsubscribe => &mut self.unsubscribe,
        };
        while calls
            .front()
            .is_some_and(|oldest| now.since(*oldest) >= settings.rate_window)
        {
            calls.pop_front();
        }
        // The call that must fall out of the window first; the limit may have been lowered below the number in it.
        let decisive = calls
            .len()
            .checked_sub(settings.rate_calls)
            .and_then(|index| calls.get(index));
        if let Some(decisive) = decisive {
            return Err(Refusal::Rate {
                retry_after: decisive.after(settings.rate_window).since(now),
            });
        }
        calls.push_back(now);
        Ok(())
    }
}

impl Call {
    /// Different ids a call may name (R4.1, R5.1, R5.7).
    fn ids_max(self, settings: &AppSettings) -> usize {
        match self {
            Call::Query => settings.query_batch_max,
            Call::Subscribe | Call::Unsubscribe => settings.subscribe_batch_max,
        }
    }
}

/// The different ids in order of first mention; refuses as soon as there are more than `ids_max`, so that a call of
/// many ids costs no more than a call of the limit and a look at each.
fn different<'a>(ids: &[&'a str], ids_max: usize) -> Result<Vec<&'a str>, Refusal> {
    let expected = ids.len().min(ids_max);
    // A quick hash is safe here: however ids are chosen to collide, there are at most `ids_max` of them.
    let mut seen = HashSet::with_capacity_and_hasher(expected, foldhash::fast::RandomState::default());
    let mut different = Vec::with_capacity(expected);
    for id in ids {
        if !seen.insert(*id) {
            continue;
        }
        if different.len() == ids_max {
            return Err(Refusal::TooManyIds { ids_max });
        }
        different.push(*id);
    }
    Ok(different)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW_MS: u64 = 5_000;

    fn me() -> UserId {
        UserId::new("me").expect("a user id")
    }

    /// A call on one other user.
    fn call(gates: &mut Gates, call: Call, ms: u64, settings: &AppSettings) -> Result<(), Refusal> {
        gates.admit(call, &me(), &["you"], Mono(ms), settings).map(drop)
    }

    fn query(gates: &mut Gates, ms: u64, settings: &AppSettings) -> Result<(), Refusal> {
        call(gates, Call::Query, ms, settings)
    }

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|index| format!("user {index}")).collect()
    }

    fn admit(what: Call, ids: &[&str], settings: &AppSettings) -> Result<usize, Refusal> {
        Gates::default()
            .admit(what, &me(), ids, Mono(0), settings)
            .map(|different| different.len())
    }

    fn retry_after(ms: u64) -> Result<(), Refusal> {
        Err(Refusal::Rate {
            retry_after: Duration::from_millis(ms),
        })
    }

    /// R7.5.
    #[test]
    fn the_twenty_first_call_in_any_five_seconds_is_refused() {
        let settings = AppSettings::default();
        let mut gates = Gates::default();
        for count in 0..20 {
            assert_eq!(query(&mut gates, 100 * count, &settings), Ok(()));
        }
        assert_eq!(query(&mut gates, 2_000, &settings), retry_after(3_000));
        assert_eq!(query(&mut gates, WINDOW_MS - 1, &settings), retry_after(1));
        // The first has left the window; then one each time that another does.
        assert_eq!(query(&mut gates, WINDOW_MS, &settings), Ok(()));
        assert_eq!(query(&mut gates, WINDOW_MS, &settings), retry_after(100));
        assert_eq!(query(&mut gates, WINDOW_MS + 100, &settings), Ok(()));
    }

    /// R7: a refused call does not count.
    #[test]
    fn whoever_keeps_asking_gets_in_at_the_time_told() {
        let settings = AppSettings {
            rate_calls: 1,
            ..AppSettings::default()
        };
        let mut gates = Gates::default();
        assert_eq!(query(&mut gates, 0, &settings), Ok(()));
        for ms in [1, 2, 2_500, 4_999] {
            assert_eq!(query(&mut gates, ms, &settings), retry_after(WINDOW_MS - ms));
        }
        assert_eq!(query(&mut gates, WINDOW_MS, &settings), Ok(()));
    }

    /// R7: what an earlier gate refuses does not use up the allowance either.
    #[test]
    fn a_call_refused_for_its_plan_switch_or_size_does_not_count() {
        let settings = AppSettings {
            rate_calls: 1,
            ..AppSettings::default()
        };
        let mut gates = Gates::default();
        let basic = AppSettings {
            plan: Plan::Basic,
            ..settings.clone()
        };
        let off = AppSettings {
            user_status: false,
            ..settings.clone()
        };
        assert_eq!(query(&mut gates, 0, &basic), Err(Refusal::Plan));
        assert_eq!(query(&mut gates, 0, &off), Err(Refusal::SwitchedOff));
        assert_eq!(
            gates.admit(Call::Query, &me(), &[], Mono(0), &settings),
            Err(Refusal::NoIds)
        );
        assert_eq!(query(&mut gates, 0, &settings), Ok(()));
    }

    /// R7.5.
    #[test]
    fn each_kind_of_call_has_an_allowance_of_its_own() {
        let settings = AppSettings {
            rate_calls: 1,
            ..AppSettings::default()
        };
        let mut gates = Gates::default();
        for kind in [Call::Query, Call::Subscribe, Call::Unsubscribe] {
            assert_eq!(call(&mut gates, kind, 0, &settings), Ok(()));
            assert_eq!(call(&mut gates, kind, 0, &settings), retry_after(WINDOW_MS));
        }
    }

    /// R7.5, R7.6.
    #[test]
    fn a_changed_limit_holds_from_the_next_call() {
        let limit = |rate_calls| AppSettings {
            rate_calls,
            ..AppSettings::default()
        };
        let mut gates = Gates::default();
        for ms in 0..4 {
            assert_eq!(query(&mut gates, ms, &limit(4)), Ok(()));
        }
        assert_eq!(query(&mut gates, 10, &limit(5)), Ok(()), "raised");
        // Lowered below what is in the window: four have to leave it.
        assert_eq!(query(&mut gates, 10, &limit(2)), retry_after(WINDOW_MS + 3 - 10));
        assert_eq!(query(&mut gates, WINDOW_MS + 3, &limit(2)), Ok(()));
    }

    /// R7.5.
    #[test]
    fn a_limit_of_zero_is_no_limit_and_counts_nothing() {
        let off = AppSettings {
            rate_calls: 0,
            ..AppSettings::default()
        };
        let mut gates = Gates::default();
        for _ in 0..100 {
            assert_eq!(query(&mut gates, 0, &off), Ok(()));
        }
        assert_eq!(gates, Gates::default());
    }

    /// R7.1.
    #[test]
    fn the_gates_stand_in_the_order_plan_switch_size_rate() {
        let mut settings = AppSettings {
            plan: Plan::Basic,
            user_status: false,
            query_batch_max: 1,
            rate_calls: 1,
            ..AppSettings::default()
        };
        let mut gates = Gates::default();
        assert_eq!(query(&mut gates, 0, &AppSettings::default()), Ok(()));
        let mut refusal =
            |settings: &AppSettings| gates.admit(Call::Query, &me(), &["you", "others"], Mono(0), settings);
        assert_eq!(refusal(&settings), Err(Refusal::Plan));
        settings.plan = Plan::Ultimate;
        assert_eq!(refusal(&settings), Err(Refusal::SwitchedOff));
        settings.user_status = true;
        assert_eq!(refusal(&settings), Err(Refusal::TooManyIds { ids_max: 1 }));
        settings.query_batch_max = 2;
        let retry_after = Duration::from_millis(WINDOW_MS);
        assert_eq!(refusal(&settings), Err(Refusal::Rate { retry_after }));
    }

    /// R4.1, R5.1, R5.7.
    #[test]
    fn each_kind_of_call_has_its_size_at_its_edge() {
        let settings = AppSettings::default();
        for (kind, ids_max) in [
            (Call::Query, 500),
            (Call::Subscribe, 100),
            (Call::Unsubscribe, 100),
        ] {
            let names = names(ids_max + 1);
            let ids: Vec<&str> = names.iter().map(String::as_str).collect();
            assert_eq!(admit(kind, &ids, &settings), Err(Refusal::TooManyIds { ids_max }));
            assert_eq!(admit(kind, &ids[..ids_max], &settings), Ok(ids_max));
        }
    }

    /// R4.1, R5.1, R5.7.
    #[test]
    fn only_an_unsubscribe_may_name_nobody() {
        let settings = AppSettings::default();
        assert_eq!(admit(Call::Query, &[], &settings), Err(Refusal::NoIds));
        assert_eq!(admit(Call::Subscribe, &[], &settings), Err(Refusal::NoIds));
        assert_eq!(admit(Call::Unsubscribe, &[], &settings), Ok(0));
    }

    /// R4.1: repeats are removed before the size is looked at.
    #[test]
    fn repeats_are_removed_and_the_first_mention_keeps_its_place() {
        let settings = AppSettings {
            subscribe_batch_max: 3,
            ..AppSettings::default()
        };
        let ids = ["b", "a", "b", "\u{7}", "a", "b"];
        let different = Gates::default().admit(Call::Subscribe, &me(), &ids, Mono(0), &settings);
        assert_eq!(different, Ok(vec!["b", "a", "\u{7}"]));
    }

    /// R4.2.
    #[test]
    fn a_query_of_oneself_alone_passes_every_gate_uncounted() {
        let closed = AppSettings {
            plan: Plan::Basic,
            user_status: false,
            rate_calls: 1,
            query_batch_max: 1,
            ..AppSettings::default()
        };
        let mut gates = Gates::default();
        for _ in 0..3 {
            assert_eq!(
                gates.admit(Call::Query, &me(), &["me", "me"], Mono(0), &closed),
                Ok(vec!["me"])
            );
        }
        assert_eq!(gates, Gates::default());
        assert_eq!(
            gates.admit(Call::Query, &me(), &["me", "you"], Mono(0), &closed),
            Err(Refusal::Plan)
        );
        for kind in [Call::Subscribe, Call::Unsubscribe] {
            assert_eq!(
                gates.admit(kind, &me(), &["me"], Mono(0), &closed),
                Err(Refusal::Plan)
            );
        }
    }

    #[test]
    fn unused_gates_are_one_pointer() {
        assert_eq!(size_of::<Gates>(), size_of::<usize>());
    }
}
