//! Rules got wrong on purpose: with any one of them, real machines and model must come apart.

/// A rule that the model has wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// R2.2: a lost connection is taken for a logout.
    LossIsLogout,
    /// R2.4: a login leaves the lost devices that it should forget.
    LoginSparesLost,
    /// R2.4: the status is drawn anew when a lost device is forgotten.
    ForgettingRecomputes,
    /// R2.7: the end of a replaced connection takes its device away.
    StaleLossCounts,
    /// R2.8: an expired UserSig has a grace.
    ExpiredHasGrace,
    /// R3.2: setting the same custom status is announced.
    EqualCustomAnnounced,
    /// R3.3: the custom status outlives ONLINE.
    CustomStays,
    /// R4.1: repeats are not removed.
    RepeatsCounted,
    /// R4.2: a query of oneself is gated like any other.
    SelfQueryGated,
    /// R5.2: the newest subscription goes instead of the oldest.
    NewestEvicted,
    /// R5.2: subscribing again leaves the subscription at its old place.
    OldSubscriptionStays,
    /// R5.8: a kick while OFFLINE prolongs the linger.
    LingerProlonged,
    /// R5.8: a list is restored although the user touched it since.
    RestoresAnytime,
    /// R5.8: a list cleared by the linger cannot be restored.
    ClearedForGood,
    /// R6.1: the user's own devices are not told.
    OwnDevicesNotTold,
    /// R6.5: a restart forgets the floor.
    FloorForgotten,
    /// R7.1: the switch is looked at before the plan.
    SwitchBeforePlan,
    /// R7.3: subscribers are told although the switch is off.
    SwitchedOffPushes,
    /// R7.4: friends are told although their switch is off.
    FriendsAlwaysTold,
    /// R7.5: one call too many passes.
    OneCallTooMany,
    /// R8.3: a displaced login comes back as a new one.
    DisplacedReturns,
    /// R8.3: one Web device, as of other platforms.
    WebIsLikeOthers,
    /// R8.7: lost devices survive a kick.
    KickSparesLost,
    /// R8.8: a logout said late shows an ONLINE.
    LateLogoutIsLogin,
    /// R8.7: a UserSig of the very second is not revoked.
    RevokesOnlyBefore,
}

impl Mutant {
    /// All.
    pub const ALL: [Mutant; 25] = [
        Mutant::LossIsLogout,
        Mutant::LoginSparesLost,
        Mutant::ForgettingRecomputes,
        Mutant::StaleLossCounts,
        Mutant::ExpiredHasGrace,
        Mutant::EqualCustomAnnounced,
        Mutant::CustomStays,
        Mutant::RepeatsCounted,
        Mutant::SelfQueryGated,
        Mutant::NewestEvicted,
        Mutant::OldSubscriptionStays,
        Mutant::LingerProlonged,
        Mutant::RestoresAnytime,
        Mutant::ClearedForGood,
        Mutant::OwnDevicesNotTold,
        Mutant::FloorForgotten,
        Mutant::SwitchBeforePlan,
        Mutant::SwitchedOffPushes,
        Mutant::FriendsAlwaysTold,
        Mutant::OneCallTooMany,
        Mutant::DisplacedReturns,
        Mutant::WebIsLikeOthers,
        Mutant::KickSparesLost,
        Mutant::LateLogoutIsLogin,
        Mutant::RevokesOnlyBefore,
    ];
}
