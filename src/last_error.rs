//! The text of the last refusal on this thread: a fixed buffer without a destructor, so that it costs no allocation and
//! works at any time, in `atexit` handlers and thread destructors too.

use std::cell::RefCell;

/// Bytes kept; longer texts are cut at a character.
pub const TEXT_BYTES_MAX: usize = 500;

struct Text {
    bytes: [u8; TEXT_BYTES_MAX],
    len: usize,
}

thread_local! {
    static LAST: RefCell<Text> = const { RefCell::new(Text { bytes: [0; TEXT_BYTES_MAX], len: 0 }) };
}

/// Replaces the text. U+0000 ends it, as it would for a C reader.
pub fn set(text: &str) {
    let text = text.split('\0').next().unwrap_or_default();
    let len = text.floor_char_boundary(TEXT_BYTES_MAX);
    LAST.with_borrow_mut(|last| {
        last.bytes[..len].copy_from_slice(&text.as_bytes()[..len]);
        last.len = len;
    });
}

/// Looks at the text; empty if nothing was refused on this thread yet. `look` must not call [`set`].
pub fn with<R>(look: impl FnOnce(&str) -> R) -> R {
    LAST.with_borrow(|last| look(std::str::from_utf8(&last.bytes[..last.len]).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        set(&"é".repeat(TEXT_BYTES_MAX));
        with(|text| assert_eq!(text, "é".repeat(TEXT_BYTES_MAX / 2)));
        set(&format!("x{}", "é".repeat(TEXT_BYTES_MAX)));
        with(|text| assert_eq!(text.len(), TEXT_BYTES_MAX - 1));
    }

    #[test]
    fn each_thread_has_its_own() {
        set("mine");
        std::thread::spawn(|| with(|text| assert_eq!(text, "")))
            .join()
            .expect("the other thread's is empty");
        with(|text| assert_eq!(text, "mine"));
    }

    #[test]
    fn it_needs_no_destructor() {
        assert!(!std::mem::needs_drop::<RefCell<Text>>());
    }
}
