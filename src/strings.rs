//! Arguments from C: strings in and out, arrays, pointers; each check names the argument in its refusal.

use std::ffi::{CStr, c_char, c_void};

use presence_protocol::errors::code;

use crate::guard::Refusal;

/// A string argument.
///
/// # Safety
/// `pointer` is NULL or points to a NUL-terminated string that lives and does not change for `'a`.
pub unsafe fn text<'a>(pointer: *const c_char, argument: &str) -> Result<&'a str, Refusal> {
    if pointer.is_null() {
        return Err(null(argument));
    }
    // SAFETY: not NULL, and the caller's promise.
    let text = unsafe { CStr::from_ptr(pointer) };
    text.to_str().map_err(|error| {
        let at = error.valid_up_to();
        Refusal::new(code::NOT_UTF8, format!("{argument} is not UTF-8 at byte {at}"))
    })
}

/// An array of string arguments, copied. NULL with a count of 0 is an empty array.
///
/// # Safety
/// `pointers` is NULL or points to `count` pointers, each as [`text`] wants it.
pub unsafe fn texts(
    pointers: *const *const c_char,
    count: usize,
    argument: &str,
) -> Result<Vec<String>, Refusal> {
    if count == 0 {
        return Ok(Vec::new());
    }
    if pointers.is_null() {
        return Err(null(argument));
    }
    if count > isize::MAX as usize / size_of::<*const c_char>() {
        return Err(Refusal::new(
            code::INVALID_ARGUMENT,
            format!("{argument} cannot have {count} elements"),
        ));
    }
    // SAFETY: not NULL, of a possible size, and the caller's promise.
    let pointers = unsafe { std::slice::from_raw_parts(pointers, count) };
    let mut texts = Vec::with_capacity(count.min(TEXTS_RESERVED));
    for (index, &pointer) in pointers.iter().enumerate() {
        // SAFETY: the caller's promise.
        let element = unsafe { text(pointer, "an element") };
        texts.push(
            element
                .map_err(|refusal| in_array(&refusal, argument, index))?
                .to_owned(),
        );
    }
    Ok(texts)
}

/// Elements room is made for before they were seen: more than any accepted call has (R4.1).
const TEXTS_RESERVED: usize = 512;

/// The same refusal, naming the element.
fn in_array(refusal: &Refusal, argument: &str, index: usize) -> Refusal {
    Refusal::new(
        refusal.code,
        refusal
            .text
            .replacen("an element", &format!("{argument}[{index}]"), 1),
    )
}

/// A place for an output that must be there. Written only on success.
///
/// # Safety
/// `pointer` is NULL or points to a `T` that nobody else uses for `'a`.
pub unsafe fn out<'a, T>(pointer: *mut T, argument: &str) -> Result<&'a mut T, Refusal> {
    // SAFETY: the caller's promise.
    unsafe { pointer.as_mut() }.ok_or_else(|| null(argument))
}

/// Hands a string out: `(char *buf, size_t capacity, size_t *needed)`. `needed`, where given, is written in any case.
///
/// # Safety
/// `buf` is NULL or has room for `capacity` bytes; `needed` is NULL or points to a `size_t`.
pub unsafe fn hand_out(
    text: &str,
    buf: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> Result<(), Refusal> {
    let bytes = text.split('\0').next().unwrap_or_default().as_bytes();
    let bytes_needed = bytes.len() + 1;
    // SAFETY: the caller's promise.
    let needed = unsafe { needed.as_mut() };
    if buf.is_null() && (capacity > 0 || needed.is_none()) {
        return Err(null("buf"));
    }
    if let Some(needed) = needed {
        *needed = bytes_needed;
    }
    if capacity < bytes_needed {
        let text = format!("buf holds {capacity} bytes and {bytes_needed} are needed");
        return Err(Refusal::new(code::BUFFER_TOO_SMALL, text));
    }
    // SAFETY: `buf` is not NULL, since `capacity` is above 0, and has room for `bytes_needed` bytes.
    unsafe {
        buf.cast::<u8>()
            .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        buf.add(bytes.len()).write(0);
    }
    Ok(())
}

/// A `user_data` without a function to hand it to is a mistake: nobody would give it back.
pub fn nothing_without(function_given: bool, user_data: *mut c_void, function: &str) -> Result<(), Refusal> {
    if function_given || user_data.is_null() {
        return Ok(());
    }
    let text = format!("user_data is given and {function} is NULL: it would never be handed back");
    Err(Refusal::new(code::INVALID_ARGUMENT, text))
}

fn null(argument: &str) -> Refusal {
    Refusal::new(code::NULL_POINTER, format!("{argument} is NULL"))
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;

    fn refused<T: std::fmt::Debug>(result: Result<T, Refusal>) -> (i32, String) {
        let refusal = result.expect_err("it is refused");
        (refusal.code, refusal.text.into_owned())
    }

    #[test]
    fn null_and_bad_utf8_are_refused_by_name() {
        // SAFETY: NULL or static strings.
        unsafe {
            assert_eq!(text(c"grüße".as_ptr(), "user_id"), Ok("grüße"));
            assert_eq!(
                refused(text(ptr::null(), "user_id")),
                (code::NULL_POINTER, "user_id is NULL".into())
            );
            let (number, named) = refused(text(c"ab\xff".as_ptr(), "user_id"));
            assert_eq!(
                (number, named.as_str()),
                (code::NOT_UTF8, "user_id is not UTF-8 at byte 2")
            );
        }
    }

    #[test]
    fn an_element_of_an_array_is_refused_by_its_index() {
        let with_null = [c"a".as_ptr(), ptr::null()];
        let with_bad = [c"a".as_ptr(), c"b".as_ptr(), c"\xc3".as_ptr()];
        // SAFETY: arrays of NULL or static strings with their true lengths.
        unsafe {
            assert_eq!(
                texts(with_bad.as_ptr(), 2, "user_ids"),
                Ok(vec!["a".to_owned(), "b".to_owned()])
            );
            assert_eq!(texts(ptr::null(), 0, "user_ids"), Ok(Vec::new()));
            let null = (code::NULL_POINTER, "user_ids is NULL".to_owned());
            assert_eq!(refused(texts(ptr::null(), 1, "user_ids")), null);
            let element = (code::NULL_POINTER, "user_ids[1] is NULL".to_owned());
            assert_eq!(refused(texts(with_null.as_ptr(), 2, "user_ids")), element);
            assert_eq!(refused(texts(with_bad.as_ptr(), 3, "user_ids")).0, code::NOT_UTF8);
            assert!(
                refused(texts(with_bad.as_ptr(), 3, "user_ids"))
                    .1
                    .starts_with("user_ids[2] is not UTF-8")
            );
            assert_eq!(
                refused(texts(with_bad.as_ptr(), usize::MAX, "user_ids")).0,
                code::INVALID_ARGUMENT
            );
        }
    }

    #[test]
    fn a_string_is_handed_out_whole_or_not_at_all() {
        let mut buffer = [0x7f as c_char; 8];
        let mut needed = 0;
        // SAFETY: the buffer has the capacities named; the pointers are its own or NULL.
        unsafe {
            assert_eq!(hand_out("alice", buffer.as_mut_ptr(), 6, &raw mut needed), Ok(()));
            assert_eq!(CStr::from_ptr(buffer.as_ptr()), c"alice");
            assert_eq!((needed, buffer[6]), (6, 0x7f));

            buffer = [0x7f; 8];
            let small = hand_out("alice", buffer.as_mut_ptr(), 5, &raw mut needed);
            assert_eq!(
                (refused(small).0, needed, buffer),
                (code::BUFFER_TOO_SMALL, 6, [0x7f; 8])
            );

            needed = 0;
            let asked = hand_out("", ptr::null_mut(), 0, &raw mut needed);
            assert_eq!((refused(asked).0, needed), (code::BUFFER_TOO_SMALL, 1));
            assert_eq!(
                refused(hand_out("a", ptr::null_mut(), 0, ptr::null_mut())).0,
                code::NULL_POINTER
            );
            assert_eq!(
                refused(hand_out("a", ptr::null_mut(), 5, &raw mut needed)).0,
                code::NULL_POINTER
            );
            assert_eq!(hand_out("alice", buffer.as_mut_ptr(), 8, ptr::null_mut()), Ok(()));
        }
    }
}
