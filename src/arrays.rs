//! Structs and arrays lent to a callback: filled in on the callback's thread, valid while the callback runs.
//!
//! The strings of a list stand in one buffer, its structs in another, the pointers to them in a third. A listener keeps
//! its buffers from call to call, so that notifications of everyday size allocate nothing.

use std::ffi::c_char;
use std::ptr;

use presence_client::Outcome;
use presence_protocol::errors;
use presence_protocol::message::UserStatus;

use crate::types::{TimResult, TimUserStatus};

/// Bytes of strings a listener's buffers may keep between calls.
const KEPT_BYTES_MAX: usize = 64 * 1024;

/// Room for a list of users.
#[derive(Default)]
pub struct Users {
    strings: Vec<u8>,
    structs: Vec<TimUserStatus>,
    pointers: Vec<*const TimUserStatus>,
}

// SAFETY: the pointers point into the other buffers, are made anew by each `lend` and used by nobody after it.
unsafe impl Send for Users {}

impl Users {
    /// Calls `callback` with an array of pointers to the users; NULL for none.
    pub fn lend<R>(
        &mut self,
        users: &[UserStatus],
        callback: impl FnOnce(*const *const TimUserStatus, usize) -> R,
    ) -> R {
        self.fill(users);
        let result = callback(first_or_null(&self.pointers), self.pointers.len());
        if self.strings.capacity() > KEPT_BYTES_MAX {
            *self = Users::default();
        }
        result
    }

    fn fill(&mut self, users: &[UserStatus]) {
        self.strings.clear();
        self.structs.clear();
        self.pointers.clear();
        self.strings.reserve(
            users
                .iter()
                .map(|user| user.user_id.len() + user.custom_status.len() + 2)
                .sum(),
        );
        self.structs.reserve(users.len());
        self.pointers.reserve(users.len());
        for user in users {
            append(&mut self.strings, &user.user_id);
            append(&mut self.strings, &user.custom_status);
        }
        // From here on the string buffer does not change, so pointers into it stay good.
        let mut rest: &[u8] = &self.strings;
        for user in users {
            let user_id = take(&mut rest, &user.user_id);
            let custom_status = take(&mut rest, &user.custom_status);
            self.structs.push(TimUserStatus {
                struct_size: struct_size::<TimUserStatus>(),
                code: user.code,
                status: user.status,
                reason: user.reason,
                platforms: user.platforms,
                reserved: 0,
                version: user.version,
                since_ms: user.since_ms,
                user_id,
                custom_status,
            });
        }
        self.pointers.extend(self.structs.iter().map(ptr::from_ref));
    }
}

/// Calls `callback` with an array of pointers to the texts; NULL for none.
pub fn lend_texts<R>(texts: &[String], callback: impl FnOnce(*const *const c_char, usize) -> R) -> R {
    let mut strings = Vec::with_capacity(texts.iter().map(|text| text.len() + 1).sum());
    for text in texts {
        append(&mut strings, text);
    }
    let mut rest: &[u8] = &strings;
    let pointers: Vec<*const c_char> = texts.iter().map(|text| take(&mut rest, text)).collect();
    callback(first_or_null(&pointers), pointers.len())
}

/// Calls `callback` with a NUL-terminated copy of the text.
pub fn lend_text<R>(text: &str, callback: impl FnOnce(*const c_char) -> R) -> R {
    let mut string = Vec::with_capacity(text.len() + 1);
    append(&mut string, text);
    callback(string.as_ptr().cast())
}

/// Calls `callback` with the result of a call.
pub fn lend_result<R>(outcome: &Outcome, callback: impl FnOnce(*const TimResult) -> R) -> R {
    lend_text(message(outcome), |message| {
        Users::default().lend(&outcome.users, |items, item_count| {
            lend_texts(&outcome.evicted, |evicted, evicted_count| {
                callback(&TimResult {
                    struct_size: struct_size::<TimResult>(),
                    code: outcome.code,
                    message,
                    retry_after_ms: outcome.retry_after_ms,
                    reserved: 0,
                    items,
                    item_count,
                    evicted,
                    evicted_count,
                })
            })
        })
    })
}

/// Never empty: the table's text where the outcome brings none.
fn message(outcome: &Outcome) -> &str {
    if !outcome.message.is_empty() {
        return &outcome.message;
    }
    errors::find(outcome.code).map_or("an error this version has no text for", |entry| entry.message)
}

fn append(strings: &mut Vec<u8>, text: &str) {
    strings.extend_from_slice(text.as_bytes());
    strings.push(0);
}

/// The pointer to a text that [`append`] put at the beginning of `rest`, which moves behind it.
fn take(rest: &mut &[u8], text: &str) -> *const c_char {
    let pointer = rest.as_ptr().cast();
    *rest = rest.get(text.len() + 1..).unwrap_or_default();
    pointer
}

fn first_or_null<T>(pointers: &[*const T]) -> *const *const T {
    if pointers.is_empty() {
        ptr::null()
    } else {
        pointers.as_ptr()
    }
}

const fn struct_size<T>() -> u32 {
    size_of::<T>() as u32
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    fn user(user_id: &str, custom_status: &str, version: u64) -> UserStatus {
        UserStatus {
            user_id: user_id.into(),
            code: 0,
            status: 1,
            custom_status: custom_status.into(),
            version,
            since_ms: 5,
            reason: 2,
            platforms: 64,
        }
    }

    /// What a C program reads.
    fn read(items: *const *const TimUserStatus, count: usize) -> Vec<(String, String, u64)> {
        if count == 0 {
            assert!(items.is_null());
            return Vec::new();
        }
        // SAFETY: called inside `lend`, with its arguments.
        let items = unsafe { std::slice::from_raw_parts(items, count) };
        items
            .iter()
            .map(|&item| {
                // SAFETY: as above.
                let item = unsafe { &*item };
                assert_eq!(item.struct_size as usize, size_of::<TimUserStatus>());
                assert_eq!((item.code, item.status, item.reason), (0, 1, 2));
                assert_eq!((item.platforms, item.since_ms), (64, 5));
                (text(item.user_id), text(item.custom_status), item.version)
            })
            .collect()
    }

    fn text(pointer: *const c_char) -> String {
        // SAFETY: called inside `lend…`, with a string of it.
        unsafe { CStr::from_ptr(pointer) }
            .to_str()
            .expect("UTF-8")
            .to_owned()
    }

    #[test]
    fn a_c_program_reads_the_users_it_is_lent() {
        let mut room = Users::default();
        let pair = [user("alice", "in a meeting ☕", 7), user("bob", "", 1 << 52)];
        let expected = [
            ("alice".into(), "in a meeting ☕".into(), 7),
            ("bob".into(), String::new(), 1 << 52),
        ];
        assert_eq!(room.lend(&pair, read), expected);
        // Again in the same room, with fewer and with none.
        assert_eq!(room.lend(&pair[1..], read), expected[1..]);
        assert_eq!(room.lend(&[], read), []);
    }

    #[test]
    fn large_rooms_are_given_back_after_the_call() {
        let mut room = Users::default();
        let long = [user("a", &"x".repeat(KEPT_BYTES_MAX + 1), 1)];
        room.lend(&long, |_, count| assert_eq!(count, 1));
        assert_eq!(room.strings.capacity(), 0);
    }

    #[test]
    fn a_result_has_a_message_its_users_and_the_evicted() {
        let outcome = Outcome {
            code: 7008,
            message: "".into(),
            retry_after_ms: 1_500,
            users: vec![user("alice", "", 3)],
            evicted: vec!["carol".into(), "dave".into()],
        };
        lend_result(&outcome, |result| {
            // SAFETY: valid during the call.
            let result = unsafe { &*result };
            assert_eq!(result.struct_size as usize, size_of::<TimResult>());
            assert_eq!((result.code, result.retry_after_ms), (7008, 1_500));
            assert_eq!(text(result.message), "too many calls");
            assert_eq!(
                read(result.items, result.item_count),
                [("alice".into(), String::new(), 3)]
            );
            // SAFETY: as above.
            let evicted = unsafe { std::slice::from_raw_parts(result.evicted, result.evicted_count) };
            assert_eq!(
                evicted.iter().map(|&id| text(id)).collect::<Vec<_>>(),
                ["carol", "dave"]
            );
        });
    }

    #[test]
    fn every_result_has_a_message() {
        for code in [0, 6014, 123_456, -77] {
            lend_result(
                &Outcome {
                    code,
                    ..Outcome::default()
                },
                |result| {
                    // SAFETY: valid during the call.
                    let result = unsafe { &*result };
                    assert!(!text(result.message).is_empty());
                    assert!(result.items.is_null() && result.evicted.is_null());
                },
            );
        }
    }
}
