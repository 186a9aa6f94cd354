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
use crate::http::routes::{Operation, V4};
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
    fn of(operation: V4) -> ServiceName {
        match operation {
            V4::QueryOnlineStatus | V4::QueryState => ServiceName::OpenIm,
            V4::AccountImport | V4::MultiAccountImport | V4::AccountCheck | V4::AccountDelete | V4::Kick => {
                ServiceName::Login
            }
            V4::FriendImport | V4::FriendAdd | V4::FriendDelete | V4::FriendGet => ServiceName::Sns,
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

/// Answers a request for one of the original's operations.
pub async fn answer(
    service: &Service,
    peer: IpAddr,
    head: &Parts,
    operation: V4,
    incoming: Incoming,
) -> Response {
    respond(carry_out(service, peer, head, operation, incoming).await)
}

/// Answers a request for one of the operations by another method than POST.
pub fn other_method(path: &str) -> Response {
    let why = format!("{path} takes {}", Method::POST);
    respond(Err(Failure::new(codes::BAD_HTTP, why)))
}

/// Answers a request whose path begins with `/v4/` and is none of the operations'.
pub fn no_such_command(path: &str) -> Response {
    let why = format!("there is no command {path}");
    respond(Err(Failure::new(codes::NO_SUCH_COMMAND, why)))
}

fn respond(result: Result<Map<String, Value>, Failure>) -> Response {
    let (mut body, status, code, info) = match result {
        Ok(fields) => (fields, "OK", code::OK, String::new()),
        Err(Failure { code, info }) => (Map::new(), "FAIL", code, info),
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
    operation: V4,
    incoming: Incoming,
) -> Result<Map<String, Value>, Failure> {
    let service_name = ServiceName::of(operation);
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
        .take(administrator.app, Operation::V4(operation), Instant::now())
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
        V4::QueryOnlineStatus => status::query(&call, &body, status::Field::Status).await,
        V4::QueryState => status::query(&call, &body, status::Field::State).await,
        V4::AccountImport => accounts::import(&call, &body).await,
        V4::MultiAccountImport => accounts::import_many(&call, &body).await,
        V4::AccountCheck => accounts::check(&call, &body).await,
        V4::AccountDelete => accounts::delete(&call, &body).await,
        V4::Kick => accounts::kick(&call, &body).await,
        V4::FriendImport => friends::import(&call, &body).await,
        V4::FriendAdd => friends::add(&call, &body).await,
        V4::FriendDelete => friends::delete(&call, &body).await,
        V4::FriendGet => friends::get(&call, &body).await,
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
