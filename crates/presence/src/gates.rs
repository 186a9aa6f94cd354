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
    let mut seen = HashSet::with_capacity(expected);
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
