//! `/v4`: the original's REST interface, path by path, so that a backend written for it needs another base URL alone. The HTTP
//! status is always 200; `ActionStatus`, `ErrorCode` and `ErrorInfo` of the body say what came of it.

pub mod accounts;
pub mod codes;
mod friends;
pub mod status;

use std::net::IpAddr;
use std::time::Instant;

use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use presence::ids::{UserId, UserKey};
use presence_protocol::errors::{self, code};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::http::admin::{self, Administrator, Credentials, Denied};
use crate::http::exchange::{self, BodyError, Query, Response};
use crate::http::routes::{Found, Operation};
use crate::service::Service;

/// A call that was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// `ErrorCode`.
    pub code: i32,
    /// `ErrorInfo`.
    pub info: String,
}

impl Failure {
    pub fn new(code: i32, info: impl Into<String>) -> Failure {
        let info = info.into();
        Failure { code, info }
    }

    /// With the text of the table.
    pub fn of(code: i32) -> Failure {
        Failure::new(code, text_of(code))
    }
}

/// The node is stopping.
impl From<presence_node::Unavailable> for Failure {
    fn from(_: presence_node::Unavailable) -> Failure {
        Failure::of(code::SERVER_ERROR)
    }
}

/// What a code says, for a person.
pub fn text_of(code: i32) -> &'static str {
    let of_protocol = errors::find(code).map(|entry| entry.message);
    of_protocol
        .or_else(|| codes::find(code).map(|entry| entry.message))
        .unwrap_or_default()
}

/// A call that was let through.
pub struct Call<'a> {
    pub service: &'a Service,
    pub administrator: Administrator,
    pub service_name: ServiceName,
}

impl Call<'_> {
    /// An account of the administrator's app.
    pub fn key(&self, user: UserId) -> UserKey {
        UserKey {
            app: self.administrator.app,
            user,
        }
    }

    /// Reads a body, or says what is wrong with it the way that this service does.
    fn read<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, Failure> {
        serde_json::from_slice(body).map_err(|error| {
            if error.is_data() {
                Failure::new(self.service_name.bad_fields(), error.to_string())
            } else {
                Failure::new(
                    self.service_name.bad_json(),
                    format!("the body is not JSON: {error}"),
                )
            }
        })
    }

    /// A request that is JSON, but not what the operation takes.
    pub fn refuse(&self, why: impl Into<String>) -> Failure {
        Failure::new(self.service_name.bad_fields(), why)
    }
}

/// The original's services differ in the codes for the same mistakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceName {
    /// `openim`.
    OpenIm,
    /// `im_open_login_svc`.
    Login,
    /// `sns`.
    Sns,
}

impl ServiceName {
    fn of(path: &str) -> Option<ServiceName> {
        match path.split('/').nth(2)? {
            "openim" => Some(ServiceName::OpenIm),
            "im_open_login_svc" => Some(ServiceName::Login),
            "sns" => Some(ServiceName::Sns),
            _ => None,
        }
    }

    fn bad_json(self) -> i32 {
        match self {
            ServiceName::OpenIm => codes::OPENIM_BAD_JSON,
            ServiceName::Login | ServiceName::Sns => codes::BAD_JSON,
        }
    }

    fn bad_fields(self) -> i32 {
        match self {
            ServiceName::OpenIm => codes::OPENIM_BAD_JSON,
            ServiceName::Login => codes::LOGIN_BAD_PARAMETERS,
            ServiceName::Sns => codes::SNS_BAD_PARAMETERS,
        }
    }

    fn not_administrator(self) -> i32 {
        match self {
            ServiceName::Login => codes::LOGIN_NOT_ADMINISTRATOR,
            ServiceName::OpenIm | ServiceName::Sns => codes::NOT_ADMINISTRATOR,
        }
    }
}

/// Answers a request whose path begins with `/v4/`.
pub async fn answer(
    service: &Service,
    peer: IpAddr,
    head: &Parts,
    found: Found,
    incoming: Incoming,
) -> Response {
    let result = carry_out(service, peer, head, found, incoming).await;
    let mut body = Map::new();
    let (status, code, info) = match result {
        Ok(fields) => {
            body = fields;
            ("OK", code::OK, String::new())
        }
        Err(Failure { code, info }) => ("FAIL", code, info),
    };
    body.insert("ActionStatus".to_owned(), json!(status));
    body.insert("ErrorInfo".to_owned(), json!(info));
    body.insert("ErrorCode".to_owned(), json!(code));
    exchange::json(StatusCode::OK, &Value::Object(body))
}

async fn carry_out(
    service: &Service,
    peer: IpAddr,
    head: &Parts,
    found: Found,
    incoming: Incoming,
) -> Result<Map<String, Value>, Failure> {
    let path = head.uri.path();
    let operation = match found {
        Found::Operation(operation, _) => operation,
        Found::OtherMethod(_) => {
            return Err(Failure::new(
                codes::BAD_HTTP,
                format!("{path} takes {}", Method::POST),
            ));
        }
        Found::Nothing => {
            return Err(Failure::new(
                codes::NO_SUCH_COMMAND,
                format!("there is no command {path}"),
            ));
        }
    };
    let service_name = ServiceName::of(path).ok_or_else(|| Failure::of(codes::NO_SUCH_COMMAND))?;
    let query = Query::new(head.uri.query());
    let credentials = Credentials {
        sdk_app_id: query.get("sdkappid"),
        identifier: query.get("identifier"),
        user_sig: query.get("usersig"),
    };
    let administrator = admin::check(service, peer, credentials)
        .await
        .map_err(|denied| denied_as(denied, service_name))?;
    if let Some(given) = query.get("contenttype").filter(|given| *given != "json") {
        let why = format!("contenttype is {given:?}; the only one is json");
        return Err(Failure::new(codes::BAD_HTTP, why));
    }
    service
        .rates
        .take(administrator.app, operation, Instant::now())
        .map_err(|wait| {
            let why = format!(
                "too many calls of this command; retry in {} ms",
                wait.as_millis().max(1)
            );
            Failure::new(codes::TOO_MANY_CALLS, why)
        })?;
    let body = exchange::body(incoming).await.map_err(|error| match error {
        BodyError::TooLarge => {
            let why = format!("the body has more than {} bytes", exchange::BODY_BYTES_MAX);
            Failure::new(codes::BAD_HTTP, why)
        }
        BodyError::Incomplete => Failure::new(codes::TIMED_OUT, "the body did not arrive whole and in time"),
    })?;
    let call = Call {
        service,
        administrator,
        service_name,
    };
    match operation {
        Operation::QueryOnlineStatus => status::query(&call, &body, status::Field::Status).await,
        Operation::QueryState => status::query(&call, &body, status::Field::State).await,
        Operation::AccountImport => accounts::import(&call, &body).await,
        Operation::MultiAccountImport => accounts::import_many(&call, &body).await,
        Operation::AccountCheck => accounts::check(&call, &body).await,
        Operation::AccountDelete => accounts::delete(&call, &body).await,
        Operation::Kick => accounts::kick(&call, &body).await,
        Operation::FriendImport => friends::import(&call, &body).await,
        Operation::FriendAdd => friends::add(&call, &body).await,
        Operation::FriendDelete => friends::delete(&call, &body).await,
        Operation::FriendGet => friends::get(&call, &body).await,
        // Not under /v4/.
        Operation::GetServer
        | Operation::GetStatistics
        | Operation::GetApp
        | Operation::PatchApp
        | Operation::ListAccounts
        | Operation::ImportAccounts
        | Operation::QueryAccounts
        | Operation::GetAccount
        | Operation::DeleteAccount
        | Operation::KickAccount
        | Operation::ListWatchers
        | Operation::GetFriends
        | Operation::EditFriends
        | Operation::GetOpenApi => Err(Failure::of(codes::NO_SUCH_COMMAND)),
    }
}

fn denied_as(denied: Denied, service: ServiceName) -> Failure {
    match denied {
        Denied::NoApp => Failure::of(codes::NO_APP),
        Denied::UnknownApp => Failure::of(codes::UNKNOWN_APP),
        Denied::BadIdentifier => Failure::of(codes::BAD_IDENTIFIER),
        Denied::NoUserSig => Failure::of(codes::NO_USER_SIG),
        Denied::UserSig(refusal) => Failure::of(refusal.code()),
        Denied::Revoked => Failure::of(code::USER_SIG_REVOKED),
        Denied::NotAdministrator => Failure::of(service.not_administrator()),
        Denied::TooMany(wait) => {
            let why = format!(
                "too many failed authentications from this address; retry in {} s",
                wait.as_secs().max(1)
            );
            Failure::new(code::TOO_MANY_FAILURES, why)
        }
        Denied::Unavailable => Failure::of(code::SERVER_ERROR),
    }
}
