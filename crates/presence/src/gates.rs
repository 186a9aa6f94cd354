//! Which calls of one user are let through, in the order of R7.1: plan, switch, size, rate.
//! (Arguments and login come before, in the client and the gateway; each id comes after, in the engine.)

use std::time::Duration;

use crate::ids::UserId;
use crate::settings::AppSettings;
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

/// The allowances of one user. Small while unused.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gates {
    // (private: three rings, allocated on first use)
}

impl Gates {
    /// Lets a call on `ids` (as given, repeats and ill-formed ones included) through or refuses it, and answers the
    /// different ids in order of first mention. Counts the call only if it is let through. A query of `caller` alone
    /// passes without plan, switch and rate (R4.2). An unsubscribe without ids is allowed (R5.7).
    pub fn admit<'a>(&mut self, call: Call, caller: &UserId, ids: &[&'a str], now: Mono, settings: &AppSettings) -> Result<Vec<&'a str>, Refusal> {
        let _ = (call, caller, ids, now, settings);
        todo!()
    }
}
