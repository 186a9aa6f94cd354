//! Errors: the codes, their names and texts.
//!
//! 0 is success. Negative codes are this library's: the call was not accepted and its callback does not come; where
//! their text says so they arrive as a result. Positive codes are the presence service's, keep the numbers it publishes,
//! and arrive only as a result. A code is never renumbered and never used again. Treat a code you do not know as a
//! failure; timErrorName and timErrorMessage never return NULL.

use std::ffi::{CStr, c_char};

use crate::{guard, last_error, strings};

/// Bit in the flags of an error: the same call may succeed later.
pub const TIM_ERROR_FLAG_RETRIABLE: i32 = 1;
/// Bit in the flags of an error: the client or session is over; repeating the call cannot help.
pub const TIM_ERROR_FLAG_FATAL: i32 = 2;
/// Bit in the flags of an error: the calling program has a mistake.
pub const TIM_ERROR_FLAG_PROGRAMMING: i32 = 4;

/// One row of the table of errors. Static: valid as long as the process.
#[repr(C)]
#[derive(Debug)]
pub struct TimErrorDesc {
    /// sizeof(TimErrorDesc) of the library. Fields are only ever added at the end.
    pub struct_size: u32,
    /// The number.
    pub code: i32,
    /// Bits TIM_ERROR_FLAG_*.
    pub flags: i32,
    /// 0.
    pub reserved: u32,
    /// The constant, such as "TIM_ERR_BUSY". Never NULL.
    pub name: *const c_char,
    /// A short text for a person. Never NULL.
    pub message: *const c_char,
    /// When it happens and what to do about it. Never NULL.
    pub details: *const c_char,
}

/// A row with its texts as Rust sees them.
struct Row {
    desc: TimErrorDesc,
    name: &'static CStr,
    message: &'static CStr,
}

// SAFETY: the pointers are to static strings; nothing ever changes.
unsafe impl Sync for Row {}

/// An array of pointers to static rows.
#[repr(transparent)]
struct Pointers<const N: usize>([*const TimErrorDesc; N]);

// SAFETY: the pointers are to static rows; nothing ever changes.
unsafe impl<const N: usize> Sync for Pointers<N> {}

const fn row(
    code: i32,
    flags: i32,
    name: &'static CStr,
    message: &'static CStr,
    details: &'static CStr,
) -> Row {
    let desc = TimErrorDesc {
        struct_size: size_of::<TimErrorDesc>() as u32,
        code,
        flags,
        reserved: 0,
        name: name.as_ptr(),
        message: message.as_ptr(),
        details: details.as_ptr(),
    };
    Row { desc, name, message }
}

// `static ROWS: [Row; N]` and `static POINTERS: Pointers<N>`, made by build.rs from the table of the protocol.
include!(concat!(env!("OUT_DIR"), "/error_table.rs"));

fn find(code: i32) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.desc.code == code)
}

/// Gives the name of a code, such as "TIM_ERR_BUSY".
///
/// @param code  Any number.
/// @return A static string, never NULL; "TIM_ERR_UNKNOWN" for a number that is not in the table.
#[unsafe(no_mangle)]
pub extern "C" fn timErrorName(code: i32) -> *const c_char {
    guard::text(|| find(code).map_or(c"TIM_ERR_UNKNOWN", |row| row.name))
}

/// Gives a short text for a code, in English. What was wrong in detail is in timLastErrorMessage or the result.
///
/// @param code  Any number.
/// @return A static string, never NULL and never empty.
#[unsafe(no_mangle)]
pub extern "C" fn timErrorMessage(code: i32) -> *const c_char {
    guard::text(|| find(code).map_or(c"an error this version does not know", |row| row.message))
}

/// Says what kind of error a code is.
///
/// @param code  Any number.
/// @return Bits TIM_ERROR_FLAG_*; 0 for a number that is not in the table.
#[unsafe(no_mangle)]
pub extern "C" fn timErrorFlags(code: i32) -> i32 {
    guard::number(|| find(code).map_or(0, |row| row.desc.flags))
}

/// Hands out the whole table of errors, for bindings and documentation.
///
/// @param table  Receives an array of count pointers to rows; static, do not free. Not NULL.
/// @param count  Receives how many rows there are; not NULL.
/// @return TIM_OK; TIM_ERR_NULL_POINTER.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn timErrorTable(table: *mut *const *const TimErrorDesc, count: *mut usize) -> i32 {
    guard::call(|| {
        // SAFETY: the caller passes NULL or places that nobody else uses during the call.
        let (table, count) = unsafe { (strings::out(table, "table")?, strings::out(count, "count")?) };
        *table = POINTERS.0.as_ptr();
        *count = POINTERS.0.len();
        Ok(())
    })
}

/// Copies out what was wrong with the last call of this library on this thread that did not return TIM_OK: it names the
/// argument or option. A success leaves the text as it is, and so does this function. "" if nothing was ever wrong.
///
/// @param buf       Receives the text and a NUL; NULL with a capacity of 0 to ask for the size.
/// @param capacity  Bytes that buf holds; 512 always suffice.
/// @param needed    Receives the capacity that suffices, also with TIM_ERR_BUFFER_TOO_SMALL; may be NULL if buf is not.
/// @return TIM_OK; TIM_ERR_BUFFER_TOO_SMALL; TIM_ERR_NULL_POINTER.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn timLastErrorMessage(buf: *mut c_char, capacity: usize, needed: *mut usize) -> i32 {
    // Not `guard::call`, which would set the text that is asked for. Nothing in here can panic.
    // SAFETY: the caller passes NULL or a buffer of that capacity, and NULL or a place for the size.
    let handed_out = last_error::with(|text| unsafe { strings::hand_out(text, buf, capacity, needed) });
    handed_out.map_or_else(|refusal| refusal.code, |()| 0)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::ptr;

    use presence_protocol::errors::{FATAL, PROGRAMMING, RETRIABLE, TABLE, code};

    use super::*;

    fn text(pointer: *const c_char) -> &'static str {
        assert!(!pointer.is_null());
        // SAFETY: the functions under test return static strings.
        unsafe { CStr::from_ptr(pointer) }.to_str().expect("UTF-8")
    }

    #[test]
    fn the_c_table_is_the_table_of_the_protocol() {
        let (mut table, mut count) = (ptr::null(), 0);
        // SAFETY: both are places of this function.
        assert_eq!(unsafe { timErrorTable(&raw mut table, &raw mut count) }, code::OK);
        // SAFETY: what timErrorTable promises.
        let rows = unsafe { std::slice::from_raw_parts(table, count) };
        assert_eq!(rows.len(), TABLE.len());
        for (&row, entry) in rows.iter().zip(TABLE) {
            // SAFETY: as above.
            let row = unsafe { &*row };
            assert_eq!(row.struct_size as usize, size_of::<TimErrorDesc>());
            assert_eq!((row.code, row.flags as u32), (entry.code, entry.flags));
            assert_eq!(text(row.name), entry.name);
            assert_eq!(text(row.message), entry.message);
            assert_eq!(text(row.details), entry.details);
            assert_eq!(text(timErrorName(entry.code)), entry.name);
            assert_eq!(text(timErrorMessage(entry.code)), entry.message);
            assert_eq!(timErrorFlags(entry.code) as u32, entry.flags);
        }
        let different: HashSet<i32> = TABLE.iter().map(|entry| entry.code).collect();
        assert_eq!(different.len(), TABLE.len());
    }

    #[test]
    fn an_unknown_code_has_a_name_and_a_text() {
        assert_eq!(text(timErrorName(424_242)), "TIM_ERR_UNKNOWN");
        assert!(!text(timErrorMessage(i32::MIN)).is_empty());
        assert_eq!(timErrorFlags(-4_242), 0);
    }

    #[test]
    fn the_flags_are_those_of_the_protocol() {
        assert_eq!(TIM_ERROR_FLAG_RETRIABLE as u32, RETRIABLE);
        assert_eq!(TIM_ERROR_FLAG_FATAL as u32, FATAL);
        assert_eq!(TIM_ERROR_FLAG_PROGRAMMING as u32, PROGRAMMING);
    }

    #[test]
    fn asking_for_the_last_text_does_not_change_it() {
        let mut needed = 0;
        let mut buffer = [0; 64];
        // SAFETY: NULL is allowed everywhere here and refused; the places are of this function.
        unsafe {
            assert_eq!(
                timErrorTable(ptr::null_mut(), &raw mut needed),
                code::NULL_POINTER
            );
            assert_eq!(
                timLastErrorMessage(ptr::null_mut(), 0, &raw mut needed),
                code::BUFFER_TOO_SMALL
            );
            assert_eq!(
                timLastErrorMessage(ptr::null_mut(), 0, ptr::null_mut()),
                code::NULL_POINTER
            );
            assert_eq!(needed, "table is NULL".len() + 1);
            assert_eq!(
                timLastErrorMessage(buffer.as_mut_ptr(), buffer.len(), ptr::null_mut()),
                code::OK
            );
            assert_eq!(CStr::from_ptr(buffer.as_ptr()), c"table is NULL");
        }
    }
}
