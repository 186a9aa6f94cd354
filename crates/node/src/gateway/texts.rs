//! What refusals say to a person, and their codes.

use std::time::Duration;

use presence::gates::Refusal;
use presence::status::InvalidCustomStatus;
use presence_protocol::errors::{code, find};
use presence_protocol::message::Reply;

/// A reply that says no. The text is the table's.
pub(crate) fn refused(request_id: u64, code: i32) -> Reply {
    refused_because(request_id, code, String::new())
}

/// A reply that says no and why; without a text of its own, that of the table.
pub(crate) fn refused_because(request_id: u64, code: i32, why: String) -> Reply {
    let message = if why.is_empty() {
        find(code).map_or("refused", |entry| entry.message).to_owned()
    } else {
        why
    };
    Reply {
        request_id,
        code,
        message,
        ..Reply::default()
    }
}

/// R5.8.
pub(crate) fn not_restorable(request_id: u64) -> Reply {
    let why = "the list was changed meanwhile and cannot be restored".to_owned();
    refused_because(request_id, code::INVALID_OPERATION, why)
}

/// A reply that says: later (7008, 70050).
pub(crate) fn refused_for_now(request_id: u64, code: i32, what: &str, retry_after: Duration) -> Reply {
    let retry_after_ms = u32::try_from(retry_after.as_millis()).unwrap_or(u32::MAX).max(1);
    let seconds = f64::from(retry_after_ms) / 1000.0;
    Reply {
        retry_after_ms,
        ..refused_because(request_id, code, format!("{what}; try again in {seconds:.1} s"))
    }
}

/// R7.1.
pub(crate) fn gate_refused(request_id: u64, refusal: Refusal) -> Reply {
    match refusal {
        Refusal::Plan => refused_because(
            request_id,
            code::INTERFACE_NOT_SUPPORTED,
            "the app's plan does not include this call".to_owned(),
        ),
        Refusal::SwitchedOff => refused_because(
            request_id,
            code::STATUS_DISABLED,
            "the app's switch for status query and change notification is off".to_owned(),
        ),
        Refusal::NoIds => refused_because(
            request_id,
            code::INVALID_PARAMETERS,
            "no user ids given".to_owned(),
        ),
        Refusal::TooManyIds { ids_max } => refused_because(
            request_id,
            code::INVALID_PARAMETERS,
            format!("more than {ids_max} different user ids given"),
        ),
        Refusal::Rate { retry_after } => refused_for_now(
            request_id,
            code::RATE_LIMITED,
            "too many calls of this kind",
            retry_after,
        ),
    }
}

/// R3.1.
pub(crate) fn custom_status_refused(request_id: u64, why: InvalidCustomStatus) -> Reply {
    let text = match why {
        InvalidCustomStatus::TooLong { bytes_max } => {
            format!("the custom status has more than {bytes_max} bytes")
        }
        InvalidCustomStatus::HasNul => "the custom status holds U+0000".to_owned(),
    };
    refused_because(request_id, code::INVALID_PARAMETERS, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_for_now_says_how_long_r7_5() {
        let reply = refused_for_now(
            7,
            code::RATE_LIMITED,
            "too many calls",
            Duration::from_millis(1_240),
        );
        assert_eq!(reply.retry_after_ms, 1_240);
        assert_eq!(reply.message, "too many calls; try again in 1.2 s");
    }

    #[test]
    fn every_gate_has_its_code_and_a_text_r7_1() {
        let refusals = [
            (Refusal::Plan, 7013),
            (Refusal::SwitchedOff, 72001),
            (Refusal::NoIds, 6017),
            (Refusal::TooManyIds { ids_max: 3 }, 6017),
            (
                Refusal::Rate {
                    retry_after: Duration::ZERO,
                },
                7008,
            ),
        ];
        for (refusal, code) in refusals {
            let reply = gate_refused(1, refusal);
            assert_eq!(reply.code, code);
            assert!(!reply.message.is_empty());
        }
    }
}
