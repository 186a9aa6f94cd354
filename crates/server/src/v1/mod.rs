//! `/v1`: our own interface, for what the original's does not have. JSON, with HTTP statuses that mean what they say. An
//! error's body is `{"error": {"code": …, "message": …}}`, its code from docs/ERRORS.md, or 0 where that has none.

pub mod accounts;
mod app;
mod server;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::http::request::Parts;
use hyper::{HeaderMap, StatusCode};
use presence_protocol::errors::{self, code};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::http::admin::{self, Administrator, Credentials, Denied};
use crate::http::exchange::{self, BodyError, Query, Response};
use crate::http::routes::{Operation, V1};
use crate::service::Service;

/// The parameters that say who asks, where no headers do.
const CREDENTIALS: [&str; 3] = ["sdkappid", "identifier", "usersig"];

/// A request that was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    status: StatusCode,
    code: i32,
    message: String,
    retry_after: Option<Duration>,
}

impl Failure {
    /// With a code of the table, and its text.
    pub fn of(status: StatusCode, code: i32) -> Failure {
        let message = errors::find(code).map_or("", |entry| entry.message);
        Failure {
            status,
            code,
            message: message.to_owned(),
            retry_after: None,
        }
    }

    /// 400: the request is not what this takes.
    pub fn bad_request(message: impl Into<String>) -> Failure {
        Failure {
            status: StatusCode::BAD_REQUEST,
            code: code::INVALID_PARAMETERS,
            message: message.into(),
            retry_after: None,
        }
    }

    /// 409: each part is right, and together they are not.
    fn conflict(message: impl Into<String>) -> Failure {
        Failure {
            status: StatusCode::CONFLICT,
            ..Failure::bad_request(message)
        }
    }

    fn plain(status: StatusCode, message: impl Into<String>) -> Failure {
        Failure {
            status,
            code: 0,
            message: message.into(),
            retry_after: None,
        }
    }

    fn response(self) -> Response {
        let body = json!({"error": {"code": self.code, "message": self.message}});
        let mut response = exchange::json(self.status, &body);
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(
                WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"tim-presence\""),
            );
        }
        if let Some(wait) = self.retry_after {
            headers.insert(RETRY_AFTER, exchange::retry_after(wait));
        }
        response
    }
}

/// The node is stopping.
impl From<presence_node::Unavailable> for Failure {
    fn from(_: presence_node::Unavailable) -> Failure {
        Failure::of(StatusCode::SERVICE_UNAVAILABLE, code::SERVER_ERROR)
    }
}

/// A request that was let through.
pub struct Call<'a> {
    pub service: &'a Service,
    pub administrator: Administrator,
    /// Without the credentials.
    pub query: Query,
    pub body: bytes::Bytes,
}

impl Call<'_> {
    /// Reads the body.
    fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Failure::bad_request(format!("the body is not what this takes: {error}")))
    }

    /// Refuses parameters that the operation does not take.
    fn only(&self, parameters: &[&str]) -> Result<(), Failure> {
        let known: Vec<&str> = parameters.iter().chain(&CREDENTIALS).copied().collect();
        match self.query.unknown(&known) {
            None => Ok(()),
            Some(name) => Err(Failure::bad_request(format!(
                "there is no parameter {name:?} here"
            ))),
        }
    }
}

/// What an operation gives: nothing, or this.
pub type Answer = Result<Option<Value>, Failure>;

/// Answers a request for one of our own operations.
pub async fn answer(
    service: &Service,
    peer: IpAddr,
    head: &Parts,
    operation: V1,
    parameters: &[String],
    incoming: Incoming,
) -> Response {
    let answer = match admit(service, peer, head, operation, incoming).await {
        Ok(call) => carry_out(&call, operation, parameters).await,
        Err(failure) => Err(failure),
    };
    match answer {
        Ok(Some(body)) => exchange::json(StatusCode::OK, &body),
        Ok(None) => {
            let mut response = exchange::respond(StatusCode::NO_CONTENT, "", bytes::Bytes::new());
            response.headers_mut().remove(hyper::header::CONTENT_TYPE);
            response
        }
        Err(failure) => failure.response(),
    }
}

async fn carry_out(call: &Call<'_>, operation: V1, parameters: &[String]) -> Answer {
    let user = parameters.first().map_or("", String::as_str);
    match operation {
        V1::ListAccounts => accounts::list(call).await,
        V1::ImportAccounts => accounts::import(call).await,
        V1::QueryAccounts => accounts::query(call).await,
        V1::GetAccount => accounts::describe(call, user).await,
        V1::DeleteAccount => accounts::delete(call, user).await,
        V1::KickAccount => accounts::kick(call, user).await,
        V1::ListWatchers => accounts::watchers(call, user).await,
        V1::GetFriends => accounts::friends(call, user).await,
        V1::EditFriends => accounts::edit_friends(call, user).await,
        V1::GetServer => server::get(call).await,
        V1::GetStatistics => server::statistics(call).await,
        V1::GetApp => app::get(call),
        V1::PatchApp => app::patch(call).await,
    }
}

async fn admit<'a>(
    service: &'a Service,
    peer: IpAddr,
    head: &Parts,
    operation: V1,
    incoming: Incoming,
) -> Result<Call<'a>, Failure> {
    let query = Query::new(head.uri.query());
    let credentials = Credentials {
        sdk_app_id: text(&head.headers, "x-tim-app").or(query.get("sdkappid")),
        identifier: text(&head.headers, "x-tim-user").or(query.get("identifier")),
        user_sig: bearer(&head.headers).or(query.get("usersig")),
    };
    let administrator = admin::check(service, peer, credentials).await.map_err(denied)?;
    service
        .rates
        .take(administrator.app, Operation::V1(operation), Instant::now())
        .map_err(|wait| Failure {
            retry_after: Some(wait),
            ..Failure::plain(StatusCode::TOO_MANY_REQUESTS, "too many requests of this kind")
        })?;
    let body = exchange::body(incoming).await.map_err(|error| match error {
        BodyError::TooLarge => Failure::plain(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body has more than {} bytes", exchange::BODY_BYTES_MAX),
        ),
        BodyError::Incomplete => Failure::plain(
            StatusCode::REQUEST_TIMEOUT,
            "the body did not arrive whole and in time",
        ),
    })?;
    Ok(Call {
        service,
        administrator,
        query,
        body,
    })
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn denied(denied: Denied) -> Failure {
    let unauthorized = |message: &str| Failure::plain(StatusCode::UNAUTHORIZED, message);
    match denied {
        Denied::NoApp => unauthorized("X-Tim-App (or sdkappid) must name the app by its number"),
        Denied::BadIdentifier => unauthorized("X-Tim-User (or identifier) must name an administrator"),
        Denied::NoUserSig => {
            unauthorized("there must be a header \"Authorization: Bearer USERSIG\" (or usersig)")
        }
        Denied::UnknownApp => Failure::of(StatusCode::UNAUTHORIZED, code::APP_NOT_FOUND),
        Denied::UserSig(refusal) => Failure::of(StatusCode::UNAUTHORIZED, refusal.code()),
        Denied::Revoked => Failure::of(StatusCode::UNAUTHORIZED, code::USER_SIG_REVOKED),
        Denied::NotAdministrator => {
            Failure::plain(StatusCode::FORBIDDEN, "this user is no administrator of the app")
        }
        Denied::TooMany(wait) => Failure {
            code: code::TOO_MANY_FAILURES,
            retry_after: Some(wait),
            ..Failure::plain(
                StatusCode::TOO_MANY_REQUESTS,
                "too many failed authentications from this address",
            )
        },
        Denied::Unavailable => presence_node::Unavailable.into(),
    }
}
