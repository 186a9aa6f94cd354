//! The panic boundary and the way a refusal becomes a code and a text.

use std::any::Any;
use std::borrow::Cow;
use std::ffi::CStr;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use presence_client::CallError;
use presence_protocol::errors::code;

use crate::fork::{self, ClientEntry};
use crate::last_error;

/// Why a call was not accepted.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Negative, of the table.
    pub code: i32,
    /// For timLastErrorMessage; names the argument or key.
    pub text: Cow<'static, str>,
}

impl Refusal {
    /// A refusal.
    pub fn new(code: i32, text: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal {
            code,
            text: text.into(),
        }
    }
}

impl From<CallError> for Refusal {
    fn from(error: CallError) -> Refusal {
        Refusal::new(error.code, error.text)
    }
}

/// Runs the body of a function that returns a code. A panic ends here, as TIM_ERR_PANIC.
pub fn call(body: impl FnOnce() -> Result<(), Refusal>) -> i32 {
    let refusal = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => return code::OK,
        Ok(Err(refusal)) => refusal,
        Err(payload) => panicked(payload),
    };
    last_error::set(&refusal.text);
    refusal.code
}

/// As [`call`], for a function of a client that works: looks the handle up, and a panic makes the client FAILED.
pub fn client(handle: u64, body: impl FnOnce(&ClientEntry) -> Result<(), Refusal>) -> i32 {
    ending_client(handle, |entry| {
        entry.usable()?;
        body(entry)
    })
}

/// As [`client`], for a function that a FAILED or closing client has, too.
pub fn ending_client(handle: u64, body: impl FnOnce(&ClientEntry) -> Result<(), Refusal>) -> i32 {
    call(|| {
        let entry: Arc<ClientEntry> = fork::globals().client(handle)?;
        catch_unwind(AssertUnwindSafe(|| body(&entry))).unwrap_or_else(|payload| {
            entry.fail();
            Err(panicked(payload))
        })
    })
}

/// Runs the body of a function that returns a static text; `""` if it panics.
pub fn text(body: impl FnOnce() -> &'static CStr) -> *const std::ffi::c_char {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(c"").as_ptr()
}

/// Runs the body of a function that returns a number which is no code; 0 if it panics.
pub fn number(body: impl FnOnce() -> i32) -> i32 {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(0)
}

/// From now on a panic of the library is not printed: its text and place go to the last text of its thread, where
/// [`call`] finds them. The hook belongs to the copy of Rust's runtime inside the library; no other code has it.
pub fn silence_panics() {
    static SILENT: AtomicBool = AtomicBool::new(false);
    // Our own tests want to be told.
    if !cfg!(test) && !SILENT.swap(true, Ordering::AcqRel) {
        std::panic::set_hook(Box::new(note));
    }
}

fn note(panic: &PanicHookInfo<'_>) {
    let what = panic.payload_as_str().unwrap_or(NO_TEXT);
    let place = panic
        .location()
        .map_or_else(String::new, |location| format!(" ({location})"));
    last_error::set(&format!("{INTERNAL_ERROR}: {what}{place}"));
}

const INTERNAL_ERROR: &str = "internal error, please report it";
const NO_TEXT: &str = "no text";

fn panicked(payload: Box<dyn Any + Send>) -> Refusal {
    let what = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or(NO_TEXT);
    let plain = format!("{INTERNAL_ERROR}: {what}");
    let noted = last_error::with(|text| text.starts_with(&plain).then(|| text.to_owned()));
    // Dropping a payload may panic in its turn; a leak on a path that is a bug already is the lesser harm.
    std::mem::forget(payload);
    Refusal::new(code::PANIC, noted.unwrap_or(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bug() -> Result<(), Refusal> {
        std::panic::resume_unwind(Box::new("boom"))
    }

    #[test]
    fn a_panic_becomes_a_code_and_a_text() {
        assert_eq!(call(bug), code::PANIC);
        assert!(last_error::with(|text| text.contains("boom")));
    }

    #[test]
    fn a_silenced_panic_tells_its_place() {
        let printing = std::panic::take_hook();
        std::panic::set_hook(Box::new(note));
        let code = call(|| panic!("bang"));
        std::panic::set_hook(printing);
        assert_eq!(code, code::PANIC);
        assert!(last_error::with(
            |text| text.contains("bang") && text.contains("guard.rs:")
        ));
    }

    #[test]
    fn a_refusal_sets_the_text_and_a_success_leaves_it() {
        assert_eq!(call(|| Err(Refusal::new(code::BUSY, "too many"))), code::BUSY);
        assert_eq!(call(|| Ok(())), code::OK);
        assert!(last_error::with(|text| text == "too many"));
    }

    #[test]
    fn a_function_that_returns_a_text_never_returns_null() {
        let text = text(|| std::panic::resume_unwind(Box::new("boom")));
        // SAFETY: `text` returns static NUL-terminated texts only.
        assert_eq!(unsafe { CStr::from_ptr(text) }, c"");
        assert_eq!(number(|| std::panic::resume_unwind(Box::new("boom"))), 0);
    }
}
