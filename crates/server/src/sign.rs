//! `sign`: a UserSig made at the command line, for trying things and for backends without a generator.

use std::time::{SystemTime, UNIX_EPOCH};

use presence::ids::UserId;
use presence_protocol::user_sig;

use crate::arguments::{KeySource, SignOptions};
use crate::{Failure, config};

/// Makes the UserSig.
pub fn sign(options: &SignOptions) -> Result<String, Failure> {
    let user = UserId::new(&options.user).map_err(|_| {
        Failure::Usage(format!(
            "--user takes 1 to 32 printable ASCII characters, not {:?}",
            options.user
        ))
    })?;
    let (app, key) = match &options.key {
        KeySource::Given { app, key } => (*app, key.clone()),
        KeySource::File { path, app: wanted } => {
            let config = config::read(path)?;
            let mut fitting = config
                .apps
                .into_iter()
                .filter(|app| wanted.is_none_or(|wanted| wanted == app.id));
            match (fitting.next(), fitting.next()) {
                (Some(app), None) => (app.id, app.secret_key),
                (Some(_), Some(_)) => {
                    return Err(Failure::Usage(
                        "the file has several apps: say which with --app ID".to_owned(),
                    ));
                }
                (None, _) => {
                    return Err(Failure::Usage(format!(
                        "{} has no app with that id",
                        path.display()
                    )));
                }
            }
        }
    };
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_err(|_| Failure::Runtime("the system's clock stands before 1970".to_owned()))?;
    let now_s = i64::try_from(now.as_secs()).unwrap_or(i64::MAX - options.valid_s);
    Ok(user_sig::sign(app, &key, user.as_str(), now_s, options.valid_s))
}
