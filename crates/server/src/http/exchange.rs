//! A request's parts as the handlers need them, and the responses they make.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::{Response as HyperResponse, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::Value;

/// Bytes of a body: room for 3 000 friends with remarks.
pub const BODY_BYTES_MAX: usize = 512 * 1024;
/// Bytes of a body that are read at most, all but the first [`BODY_BYTES_MAX`] only to be able to say that it is too large.
pub const READ_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long a body may take to arrive.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// What is answered.
pub type Response = HyperResponse<Full<Bytes>>;

/// The parameters of a query, each at its first mention.
pub struct Query(HashMap<String, String>);

impl Query {
    /// Reads what stands after the question mark.
    pub fn new(query: Option<&str>) -> Query {
        let mut parameters = HashMap::new();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            parameters
                .entry(name.into_owned())
                .or_insert_with(|| value.into_owned());
        }
        Query(parameters)
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The names that are not among `known`, if any.
    pub fn unknown(&self, known: &[&str]) -> Option<&str> {
        let mut unknown: Vec<&str> = self.0.keys().map(String::as_str).collect();
        unknown.retain(|name| !known.contains(name));
        unknown.into_iter().min()
    }
}

/// The segments of a path, decoded; `None`: not UTF-8.
pub fn segments(path: &str) -> Option<Vec<String>> {
    path.strip_prefix('/')?
        .split('/')
        .map(|segment| {
            percent_decode_str(segment)
                .decode_utf8()
                .ok()
                .map(|text| text.into_owned())
        })
        .collect()
}

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyError {
    /// More than [`BODY_BYTES_MAX`].
    TooLarge,
    /// Not there in time, or the connection ended.
    Incomplete,
}

/// Reads a body.
pub async fn body(mut incoming: Incoming) -> Result<Bytes, BodyError> {
    let declared = incoming.size_hint().lower();
    // Nothing would be gained by waiting for it.
    if declared > READ_BYTES_MAX as u64 {
        return Err(BodyError::TooLarge);
    }
    let reading = async {
        match Limited::new(&mut incoming, BODY_BYTES_MAX).collect().await {
            Ok(collected) => Ok(collected.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => {
                discard(&mut incoming).await;
                Err(BodyError::TooLarge)
            }
            Err(_) => Err(BodyError::Incomplete),
        }
    };
    let read = tokio::time::timeout(BODY_TIMEOUT, reading).await;
    read.unwrap_or(Err(BodyError::Incomplete))
}

/// Reads on, so that the client is done writing before it is answered: a connection closed with unread bytes is reset, and
/// the answer lost.
async fn discard(incoming: &mut Incoming) {
    let mut left = READ_BYTES_MAX - BODY_BYTES_MAX;
    while let Some(Ok(frame)) = incoming.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(length) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

/// A JSON response. Nobody keeps it: it shows users.
pub fn json(status: StatusCode, body: &Value) -> Response {
    respond(status, "application/json; charset=utf-8", body.to_string())
}

/// Any response.
pub fn respond(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response {
    let mut response = HyperResponse::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Seconds to wait, as a header says it: whole ones, at least one.
pub fn retry_after(wait: Duration) -> HeaderValue {
    HeaderValue::from(
        u64::try_from(wait.as_millis().div_ceil(1000))
            .unwrap_or(u64::MAX)
            .max(1),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_keeps_first_mentions_and_names_what_is_unknown() {
        let query = Query::new(Some("a=1&b=x%20y+z&a=2&c"));
        assert_eq!(query.get("a"), Some("1"));
        assert_eq!(query.get("b"), Some("x y z"));
        assert_eq!(query.get("c"), Some(""));
        assert_eq!(query.unknown(&["a", "c"]), Some("b"));
        assert_eq!(Query::new(None).unknown(&[]), None);
    }

    #[test]
    fn a_path_is_decoded_by_segment() {
        let decoded = segments("/v1/accounts/a%2Fb%20%25").expect("UTF-8");
        assert_eq!(decoded, ["v1", "accounts", "a/b %"]);
        assert_eq!(segments("/%ff"), None);
        assert_eq!(segments("*"), None);
    }

    #[test]
    fn a_wait_is_told_in_whole_seconds() {
        assert_eq!(retry_after(Duration::from_millis(5)), "1");
        assert_eq!(retry_after(Duration::from_millis(1_001)), "2");
    }
}
