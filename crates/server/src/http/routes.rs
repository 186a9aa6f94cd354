//! Which operation a request is for: one table of all of them, from which the OpenAPI document is made, too.

use std::net::IpAddr;

use hyper::body::Incoming;
use hyper::header::ALLOW;
use hyper::{Method, Request, StatusCode};
use serde_json::json;

use super::exchange::{Response, json as json_response, respond, segments};
use crate::service::Service;
use crate::{console, metrics, openapi, rest, v1};

/// Everything that can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    V4(V4),
    V1(V1),
    /// The interface description, for everybody.
    OpenApi,
}

/// A place where an operation is.
pub struct Route {
    pub method: Method,
    /// A segment in braces stands for any one.
    pub path: &'static str,
    pub operation: Operation,
    /// As the interface description names the operation, but for its first letter.
    pub name: &'static str,
}

/// The table makes an enum of each family's operations, and [`ROUTES`].
macro_rules! routes {
    ($($(#[$about:meta])* $family:ident { $($method:ident $path:literal $operation:ident;)* })*) => {
        $(
            $(#[$about])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
            pub enum $family {
                $($operation,)*
            }
        )*

        /// All routes, in the order of the documents.
        pub const ROUTES: &[Route] = &[
            $($(Route {
                method: Method::$method,
                path: $path,
                operation: Operation::$family($family::$operation),
                name: stringify!($operation),
            },)*)*
            Route {
                method: Method::GET,
                path: "/openapi.json",
                operation: Operation::OpenApi,
                name: "GetOpenApi",
            },
        ];
    };
}

routes! {
    /// The original's operations.
    V4 {
        POST "/v4/openim/query_online_status" QueryOnlineStatus;
        POST "/v4/openim/querystate" QueryState;
        POST "/v4/im_open_login_svc/account_import" AccountImport;
        POST "/v4/im_open_login_svc/multiaccount_import" MultiAccountImport;
        POST "/v4/im_open_login_svc/account_check" AccountCheck;
        POST "/v4/im_open_login_svc/account_delete" AccountDelete;
        POST "/v4/im_open_login_svc/kick" Kick;
        POST "/v4/sns/friend_import" FriendImport;
        POST "/v4/sns/friend_add" FriendAdd;
        POST "/v4/sns/friend_delete" FriendDelete;
        POST "/v4/sns/friend_get" FriendGet;
    }
    /// Our own operations.
    V1 {
        GET "/v1/server" GetServer;
        GET "/v1/statistics" GetStatistics;
        GET "/v1/app" GetApp;
        PATCH "/v1/app" PatchApp;
        GET "/v1/accounts" ListAccounts;
        POST "/v1/accounts" ImportAccounts;
        POST "/v1/query" QueryAccounts;
        GET "/v1/accounts/{user_id}" GetAccount;
        DELETE "/v1/accounts/{user_id}" DeleteAccount;
        POST "/v1/accounts/{user_id}/kick" KickAccount;
        GET "/v1/accounts/{user_id}/watchers" ListWatchers;
        GET "/v1/accounts/{user_id}/friends" GetFriends;
        PATCH "/v1/accounts/{user_id}/friends" EditFriends;
    }
}

/// Where a request leads.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// To an operation, with what stands for the segments in braces.
    Operation(Operation, Vec<String>),
    /// The path is one of these methods'.
    OtherMethod(Vec<&'static Method>),
    /// Nowhere.
    Nothing,
}

/// Looks the path up.
pub fn find(method: &Method, path: &str) -> Found {
    let Some(given) = segments(path) else {
        return Found::Nothing;
    };
    let mut others = Vec::new();
    for route in ROUTES {
        let Some(parameters) = matches(route.path, &given) else {
            continue;
        };
        if route.method == *method {
            return Found::Operation(route.operation, parameters);
        }
        others.push(&route.method);
    }
    if others.is_empty() {
        Found::Nothing
    } else {
        Found::OtherMethod(others)
    }
}

fn matches(pattern: &str, given: &[String]) -> Option<Vec<String>> {
    let pattern: Vec<&str> = pattern.trim_start_matches('/').split('/').collect();
    if pattern.len() != given.len() {
        return None;
    }
    let mut parameters = Vec::new();
    for (expected, given) in pattern.iter().zip(given) {
        if expected.starts_with('{') {
            parameters.push(given.clone());
        } else if expected != given {
            return None;
        }
    }
    Some(parameters)
}

/// Answers one request.
pub async fn answer(service: &Service, peer: IpAddr, request: Request<Incoming>) -> Response {
    let (head, body) = request.into_parts();
    // What it counts for, and who may read the metrics; connections are counted by where they come from.
    let client = service.proxies.client(peer, &head.headers);
    let peer = client.address;
    let path = head.uri.path();
    let found = find(&head.method, path);
    let method = head.method.clone();
    let response = if let Some(response) = metrics::answer(service, client, &method, path).await {
        response
    } else if let Some(response) = console::answer(&method, path, &service.gateways) {
        response
    } else {
        let is_originals = path.starts_with("/v4/");
        match found {
            Found::Operation(Operation::V4(operation), _) => {
                rest::answer(service, peer, &head, operation, body).await
            }
            Found::OtherMethod(_) if is_originals => rest::other_method(path),
            Found::Nothing if is_originals => rest::no_such_command(path),
            Found::Operation(Operation::V1(operation), parameters) => {
                v1::answer(service, peer, &head, operation, &parameters, body).await
            }
            Found::Operation(Operation::OpenApi, _) => {
                respond(StatusCode::OK, "application/json", openapi::document())
            }
            Found::OtherMethod(methods) => {
                let methods: Vec<&str> = methods.into_iter().map(Method::as_str).collect();
                let text = format!("{path} takes {}", methods.join(", "));
                let mut response = plain_error(StatusCode::METHOD_NOT_ALLOWED, &text);
                if let Ok(value) = methods.join(", ").parse() {
                    response.headers_mut().insert(ALLOW, value);
                }
                response
            }
            Found::Nothing => plain_error(StatusCode::NOT_FOUND, &format!("there is nothing at {path}")),
        }
    };
    // Never the query: it may hold a UserSig.
    tracing::debug!(%peer, %method, path, status = response.status().as_u16(), "HTTP request");
    response
}

/// An error before it is known who asks.
fn plain_error(status: StatusCode, message: &str) -> Response {
    json_response(status, &json!({"error": {"code": 0, "message": message}}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_found_by_method_and_path() {
        assert_eq!(
            find(&Method::POST, "/v4/im_open_login_svc/kick"),
            Found::Operation(Operation::V4(V4::Kick), Vec::new())
        );
        assert_eq!(
            find(&Method::GET, "/v4/im_open_login_svc/kick"),
            Found::OtherMethod(vec![&Method::POST])
        );
        for path in ["/v4/im_open_login_svc/kick/", "/v4", "/", "*", "/v4//kick"] {
            assert_eq!(find(&Method::POST, path), Found::Nothing, "{path}");
        }
    }

    #[test]
    fn every_route_is_documented() {
        let page = include_str!("../../../../docs/REST.md");
        for route in ROUTES {
            let path = route.path.trim_start_matches("/v4/").replace("{user_id}", "ID");
            let named = [
                format!("| `{path}` |"),
                format!("| `{} {path}", route.method),
                format!("**`{path}`**"),
            ];
            assert!(
                named.iter().any(|name| page.contains(name)),
                "{} {}",
                route.method,
                route.path
            );
        }
    }

    #[test]
    fn no_route_stands_twice() {
        for (index, route) in ROUTES.iter().enumerate() {
            let again = ROUTES
                .iter()
                .skip(index + 1)
                .any(|other| other.path == route.path && other.method == route.method);
            assert!(!again, "{} {}", route.method, route.path);
        }
    }
}
