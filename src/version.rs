//! Version: which library a program runs with, and whether it fits the header it was compiled with.
//!
//! Within one major ABI version, a program compiled against an older minor version runs with every newer library.

use std::ffi::{CStr, c_char};

use presence_protocol::errors::code;

use crate::guard::{self, Refusal};

// TIM_VERSION_*, TIM_ABI_* stand in the header and come from Cargo.toml through build.rs; these are the same numbers.
const ABI_MAJOR: u32 = number(env!("CARGO_PKG_VERSION_MAJOR"));
const ABI_MINOR: u32 = number(env!("CARGO_PKG_VERSION_MINOR"));
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");

const fn number(digits: &str) -> u32 {
    match u32::from_str_radix(digits, 10) {
        Ok(number) => number,
        Err(_) => panic!("Cargo's version numbers are numbers"),
    }
}

/// Gives the version of the library the program runs with, such as "0.1.0". Compare TIM_VERSION_STRING.
///
/// @return A static string, never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn timVersion() -> *const c_char {
    guard::text(|| CStr::from_bytes_until_nul(VERSION.as_bytes()).unwrap_or(c""))
}

/// Gives the ABI version of the library the program runs with. Compare TIM_ABI_VERSION.
///
/// @return major << 16 | minor.
#[unsafe(no_mangle)]
pub extern "C" fn timAbiVersion() -> i32 {
    guard::number(|| (ABI_MAJOR << 16 | ABI_MINOR) as i32)
}

/// Checks that the library fits the program: timCheckAbi(TIM_ABI_MAJOR, TIM_ABI_MINOR). Call it first.
///
/// @param major      The major ABI version the program was compiled with; must be the library's.
/// @param minor_min  The minor ABI version the program was compiled with; the library's may be higher.
/// @return TIM_OK; TIM_ERR_ABI_MISMATCH, the text has both versions.
#[unsafe(no_mangle)]
pub extern "C" fn timCheckAbi(major: u32, minor_min: u32) -> i32 {
    guard::call(|| {
        if major == ABI_MAJOR && minor_min <= ABI_MINOR {
            return Ok(());
        }
        let text = format!(
            "the program was compiled for ABI {major}.{minor_min} and the library has {ABI_MAJOR}.{ABI_MINOR}"
        );
        Err(Refusal::new(code::ABI_MISMATCH, text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_fits_the_same_major_and_no_newer_minor() {
        assert_eq!(timCheckAbi(ABI_MAJOR, ABI_MINOR), code::OK);
        assert_eq!(timCheckAbi(ABI_MAJOR, 0), code::OK);
        assert_eq!(timCheckAbi(ABI_MAJOR, ABI_MINOR + 1), code::ABI_MISMATCH);
        assert_eq!(timCheckAbi(ABI_MAJOR + 1, 0), code::ABI_MISMATCH);
        assert_eq!(timAbiVersion(), (ABI_MAJOR << 16 | ABI_MINOR) as i32);
    }

    #[test]
    fn the_version_is_cargos() {
        // SAFETY: a static string.
        let version = unsafe { CStr::from_ptr(timVersion()) };
        assert_eq!(version.to_str(), Ok(env!("CARGO_PKG_VERSION")));
    }
}
