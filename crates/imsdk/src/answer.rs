//! What a callback is told: the original's codes and texts for what the client or this layer has to say.

use presence_client::{CallError, Outcome};
use presence_protocol::errors::{code, find};

use crate::json::BadJson;

/// The three arguments of a result callback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// 0 or a code of docs/ERRORS.md.
    pub code: i32,
    /// For a person; `""` with a success, as the original has it.
    pub text: String,
    /// JSON, or `""` where the call returns nothing.
    pub json: String,
}

/// What the call gives as JSON when it gives no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Empty {
    /// `""`.
    Nothing,
    /// `[]`.
    Array,
}

impl Empty {
    fn json(self) -> &'static str {
        match self {
            Empty::Nothing => "",
            Empty::Array => "[]",
        }
    }
}

/// Why a call comes to nothing before the server is asked.
#[derive(Debug)]
pub enum Refused {
    /// Its JSON is not what it takes.
    Json(BadJson),
    /// By the client.
    Client(CallError),
    /// By this layer, with a code and a text.
    Here(i32, &'static str),
}

impl Refused {
    /// What the callback is told.
    pub fn answer(self, empty: Empty) -> Answer {
        match self {
            Refused::Json(bad) => Answer::failure(bad.code, bad.text, empty),
            Refused::Client(error) => Answer::from_refusal(&error, empty),
            Refused::Here(code, text) => Answer::failure(code, text, empty),
        }
    }
}

impl From<BadJson> for Refused {
    fn from(bad: BadJson) -> Refused {
        Refused::Json(bad)
    }
}

impl From<CallError> for Refused {
    fn from(error: CallError) -> Refused {
        Refused::Client(error)
    }
}

/// The original's words, where its own texts are known.
const NOT_INITIALIZED: &str = "not initialized";
const NOT_LOGGED_IN: &str = "not login";

impl Answer {
    /// A success with its result.
    pub fn success(json: impl Into<String>) -> Answer {
        Answer {
            code: code::OK,
            text: String::new(),
            json: json.into(),
        }
    }

    /// A refusal or failure.
    pub fn failure(code: i32, text: impl Into<String>, empty: Empty) -> Answer {
        Answer {
            code,
            text: text.into(),
            json: empty.json().to_owned(),
        }
    }

    /// A failure with the text that belongs to its code.
    pub fn of(code: i32, empty: Empty) -> Answer {
        let text = match code {
            code::NOT_INITIALIZED => NOT_INITIALIZED,
            code::NOT_LOGGED_IN => NOT_LOGGED_IN,
            _ => find(code).map_or("", |entry| entry.message),
        };
        Answer::failure(code, text, empty)
    }

    /// What became of a call; `json` makes the result of one that succeeded.
    pub fn from_outcome(outcome: &Outcome, empty: Empty, json: impl FnOnce(&Outcome) -> String) -> Answer {
        match outcome.code {
            code::OK => Answer::success(json(outcome)),
            // The texts of codes that only mean something here are ours, not the client's.
            code::SHUTDOWN => Answer::of(code::INTERRUPTED, empty),
            code::NOT_LOGGED_IN => Answer::of(code::NOT_LOGGED_IN, empty),
            code::SERVER_NOT_TRUSTED => Answer::failure(code::NO_CONNECTION, &*outcome.message, empty),
            internal if internal < 0 => Answer::failure(code::INTERNAL_ERROR, &*outcome.message, empty),
            other => Answer::failure(other, &*outcome.message, empty),
        }
    }

    /// Why the client did not accept a call.
    pub fn from_refusal(error: &CallError, empty: Empty) -> Answer {
        match error.code {
            code::BUSY => Answer::failure(code::RATE_LIMITED, &*error.text, empty),
            // TIMUninit was faster.
            code::CLOSED => Answer::of(code::NOT_INITIALIZED, empty),
            _ => Answer::failure(code::INTERNAL_ERROR, &*error.text, empty),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(code: i32) -> Outcome {
        Outcome {
            code,
            message: "the client's words".into(),
            ..Outcome::default()
        }
    }

    #[test]
    fn codes_of_the_client_alone_become_those_of_the_original() {
        let told = |number| {
            let answer = Answer::from_outcome(&outcome(number), Empty::Array, |_| "[1]".into());
            (answer.code, answer.text, answer.json)
        };
        assert_eq!(told(0), (0, String::new(), "[1]".into()));
        assert_eq!(told(code::SHUTDOWN).0, code::INTERRUPTED);
        assert_eq!(told(code::PANIC).0, code::INTERNAL_ERROR);
        let untrusted = (code::NO_CONNECTION, "the client's words".into(), "[]".into());
        assert_eq!(told(code::SERVER_NOT_TRUSTED), untrusted);
        assert_eq!(
            told(code::NOT_LOGGED_IN),
            (code::NOT_LOGGED_IN, "not login".into(), "[]".into())
        );
        assert_eq!(told(70107), (70107, "the client's words".into(), "[]".into()));
    }

    #[test]
    fn a_refused_call_is_a_result_too() {
        let told = |number| {
            let error = CallError {
                code: number,
                text: "why".into(),
            };
            Answer::from_refusal(&error, Empty::Nothing).code
        };
        assert_eq!(told(code::BUSY), code::RATE_LIMITED);
        assert_eq!(told(code::CLOSED), code::NOT_INITIALIZED);
        assert_eq!(told(code::FAILED), code::INTERNAL_ERROR);
    }
}
