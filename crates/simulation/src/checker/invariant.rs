//! What must hold, by name.

use std::fmt;

/// What can be violated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// I1: who has no device any more is not ONLINE, within the bound of R2.6.
    NoGhost,
    /// I2: who has a connected device is ONLINE.
    NoFalseOffline,
    /// I3, R6.5: nobody is told a version of a user twice, or an older one.
    VersionsRise,
    /// I5, R3.3: no custom status but with ONLINE.
    CustomOnlyOnline,
    /// I6, R5.2, R5.4: a list is bounded, has nobody twice and not its owner, and is the same for all its devices.
    Lists,
    /// I7, R6.6: what a device was last told of a user is what a query answers.
    FinalState,
    /// I10, R6.1: the same of the own status, on every device of the user.
    OwnStatus,
    /// R5.8: a list that was cleared while its user was away is restored.
    Restored,
    /// R2.9: who returns after an orderly restart was never away.
    RestartUnseen,
    /// Contract: a call that was accepted has one result, in time and in order.
    OneResult,
    /// R6.4: a call's result comes before the notification of its change.
    ResultFirst,
    /// R6.8, R8.8: nobody is told of users while disconnected or logged out.
    Silence,
    /// Nothing panics or refuses without a reason.
    Soundness,
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Invariant::NoGhost => "I1 no ghost",
            Invariant::NoFalseOffline => "I2 no false offline",
            Invariant::VersionsRise => "I3 versions rise",
            Invariant::CustomOnlyOnline => "I5 custom status only while ONLINE",
            Invariant::Lists => "I6 lists",
            Invariant::FinalState => "I7 final state",
            Invariant::OwnStatus => "I10 own status",
            Invariant::Restored => "R5.8 restored",
            Invariant::RestartUnseen => "R2.9 restart unseen",
            Invariant::OneResult => "one result a call",
            Invariant::ResultFirst => "R6.4 result first",
            Invariant::Silence => "R6.8 silence",
            Invariant::Soundness => "soundness",
        })
    }
}

/// A violation, and when it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Of what.
    pub invariant: Invariant,
    /// Milliseconds since the simulation began.
    pub at_ms: u64,
    /// Who and how.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {} ms: {}", self.invariant, self.at_ms, self.what)
    }
}
