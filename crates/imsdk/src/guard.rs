//! What comes in from C: the panic boundary, texts, and the callbacks with their user data.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The original's TIMResult, as far as it is given.
pub mod result {
    use std::ffi::c_int;

    /// Accepted: the callback will be called.
    pub const SUCCESS: c_int = 0;
    /// The text is not JSON, or not the JSON that is asked for.
    pub const ERR_JSON: c_int = -3;
    /// An argument is missing or wrong.
    pub const ERR_PARAM: c_int = -4;
    /// There is no such conversation.
    pub const ERR_CONV: c_int = -5;
    /// There is no such group.
    pub const ERR_GROUP: c_int = -6;
}

/// `TIMCommCallback`.
pub type CommCallback = Option<unsafe extern "C" fn(i32, *const c_char, *const c_char, *const c_void)>;

/// Runs the body of an exported function; `fallback` if it panics. The panic itself is printed by Rust's hook.
pub fn guarded<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| {
        // Dropping a payload may panic in its turn.
        std::mem::forget(payload);
        fallback
    })
}

/// As [`guarded`], for a function that returns a TIMResult: `Err` is what it returns.
pub fn call(body: impl FnOnce() -> Result<(), c_int>) -> c_int {
    guarded(result::ERR_PARAM, || body().err().unwrap_or(result::SUCCESS))
}

/// A text as it came; `None` for NULL and `""`, which the original tells from nothing.
///
/// # Safety
/// NULL, or a NUL-terminated string that lives during the call and as long as the result is used.
pub unsafe fn text<'a>(pointer: *const c_char) -> Option<&'a [u8]> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: the caller's.
    let text = unsafe { CStr::from_ptr(pointer) };
    (!text.is_empty()).then(|| text.to_bytes())
}

/// A name or a UserSig: what is not UTF-8 becomes U+FFFD, which no check lets pass.
pub fn name(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// A text for C: U+0000 ends a text there, so none is left inside.
pub fn c_text(text: &str) -> CString {
    CString::new(text.replace('\0', " ")).unwrap_or_default()
}

/// What the application wants back with its callback: handed on untouched, also NULL.
#[derive(Debug, Clone, Copy)]
pub struct UserData(*const c_void);

// SAFETY: it is never dereferenced; the application expects it on the callback thread.
unsafe impl Send for UserData {}
// SAFETY: as above.
unsafe impl Sync for UserData {}

impl UserData {
    /// From the application.
    pub const fn new(pointer: *const c_void) -> UserData {
        UserData(pointer)
    }

    /// Back to the application.
    pub const fn get(self) -> *const c_void {
        self.0
    }
}

/// Where the result of a call goes.
#[derive(Debug, Clone, Copy)]
pub struct Reply {
    callback: CommCallback,
    user_data: UserData,
}

impl Reply {
    /// As the application gave them; a NULL callback is fine.
    pub fn new(callback: CommCallback, user_data: *const c_void) -> Reply {
        Reply {
            callback,
            user_data: UserData::new(user_data),
        }
    }

    /// Calls it, once.
    pub fn call(self, code: i32, text: &str, json: &str) {
        let Some(callback) = self.callback else { return };
        let (text, json) = (c_text(text), c_text(json));
        // SAFETY: the application gave function and pointer for this one call; the texts live during it.
        unsafe { callback(code, text.as_ptr(), json.as_ptr(), self.user_data.get()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_ends_at_the_boundary() {
        let boom = || -> Result<(), c_int> { std::panic::resume_unwind(Box::new("boom")) };
        assert_eq!(call(boom), result::ERR_PARAM);
        assert_eq!(call(|| Err(result::ERR_JSON)), result::ERR_JSON);
        assert_eq!(call(|| Ok(())), result::SUCCESS);
    }

    #[test]
    fn texts_are_read_and_given_whole() {
        // SAFETY: NULL and literals.
        let read = |pointer| unsafe { text(pointer) };
        assert_eq!(read(std::ptr::null()), None);
        assert_eq!(read(c"".as_ptr()), None);
        assert_eq!(read(c"t\xffst".as_ptr()), Some(&b"t\xffst"[..]));
        assert_eq!(name(b"t\xffst"), "t\u{fffd}st");
        assert_eq!(c_text("a\0b").as_c_str(), c"a b");
    }
}
