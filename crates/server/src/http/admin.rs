//! Who asks: an administrator of an app, by a UserSig of its own (R8.1).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use presence::ids::{AppId, UserId, UserKey};
use presence_protocol::user_sig;

use crate::live::LiveApp;
use crate::service::{Service, now_ms};

/// What a request says of who asks, unchecked.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// The app's number.
    pub sdk_app_id: Option<&'a str>,
    /// The administrator's user id.
    pub identifier: Option<&'a str>,
    /// Its UserSig.
    pub user_sig: Option<&'a str>,
}

/// An administrator, checked. Handlers need one to do anything.
pub struct Administrator {
    /// The app it administers.
    pub app: AppId,
    /// Its user id.
    pub user: UserId,
    /// The app at the moment of the check.
    pub live: Arc<LiveApp>,
}

/// Why a request is not let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// No app is named, or not by a number above 0.
    NoApp,
    /// This server does not have that app.
    UnknownApp,
    /// No identifier is named, or it is no user id.
    BadIdentifier,
    /// There is no UserSig.
    NoUserSig,
    /// The UserSig does not check.
    UserSig(user_sig::Refusal),
    /// It was made before the account was last kicked (R8.7).
    Revoked,
    /// A genuine UserSig, of somebody who is no administrator of the app.
    NotAdministrator,
    /// Too many failures of this address.
    TooMany(Duration),
    /// The node is stopping.
    Unavailable,
}

/// Checks who asks. Failures count for the address they come from.
pub async fn check(
    service: &Service,
    peer: IpAddr,
    credentials: Credentials<'_>,
) -> Result<Administrator, Denied> {
    let now = Instant::now();
    // Also of who has a genuine one: otherwise trying would go on.
    if let Some(wait) = service.failures.refused_for(peer, now) {
        return Err(Denied::TooMany(wait));
    }
    let checked = check_user_sig(service, credentials).await;
    match checked {
        Err(Denied::UnknownApp | Denied::UserSig(_) | Denied::Revoked) => service.failures.record(peer, now),
        Err(
            Denied::NoApp
            | Denied::BadIdentifier
            | Denied::NoUserSig
            | Denied::NotAdministrator
            | Denied::TooMany(_)
            | Denied::Unavailable,
        )
        | Ok(_) => {}
    }
    checked
}

async fn check_user_sig(service: &Service, credentials: Credentials<'_>) -> Result<Administrator, Denied> {
    let app = credentials
        .sdk_app_id
        .and_then(|text| text.parse().ok())
        .and_then(AppId::new)
        .ok_or(Denied::NoApp)?;
    let live = service.live.app(app).ok_or(Denied::UnknownApp)?;
    let user = credentials
        .identifier
        .and_then(|text| UserId::new(text).ok())
        .ok_or(Denied::BadIdentifier)?;
    let user_sig = credentials.user_sig.ok_or(Denied::NoUserSig)?;
    let now_s = i64::try_from(now_ms() / 1000).unwrap_or(i64::MAX);
    let checked = user_sig::check(user_sig, app, &live.secret_key, &user, now_s).map_err(Denied::UserSig)?;
    if !live.administrators.contains(&user) {
        return Err(Denied::NotAdministrator);
    }
    match service
        .admin
        .is_revoked(UserKey { app, user }, checked.signed_at_s)
        .await
    {
        Ok(false) => Ok(Administrator { app, user, live }),
        Ok(true) => Err(Denied::Revoked),
        Err(_) => Err(Denied::Unavailable),
    }
}
