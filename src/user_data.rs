//! Who owns a `user_data`: a listener that was accepted frees it once, a refused one never.
//!
//! The client crate owns a listener from the moment it is handed over, and drops it either because it refuses it (on
//! the caller's thread, before the setter returns) or after its last call (on the delivery's thread, which may be before
//! the setter returns as well). [`Handover`] tells the two apart.

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use presence_client::CallError;

use crate::guard::Refusal;
use crate::types::TimFreeFn;

/// A pointer of the application's on its way to a callback. Not ours to follow, so it may cross threads.
#[derive(Clone, Copy)]
pub struct Pointer(pub *mut c_void);

// SAFETY: the pointer is never followed here, only handed back; docs/C_API.md says on which thread.
unsafe impl Send for Pointer {}
// SAFETY: as above.
unsafe impl Sync for Pointer {}

impl Pointer {
    /// The pointer. A method, so that closures capture the whole, which is `Send`.
    pub fn get(self) -> *mut c_void {
        self.0
    }
}

/// The `user_data` of a listener: freed when dropped, if the listener was accepted.
pub struct UserData {
    pointer: Pointer,
    free: TimFreeFn,
    handover: Arc<Handover>,
}

impl UserData {
    /// The pointer for one call; `None` after the setter was refused: the application may have freed it.
    pub fn live(&self) -> Option<*mut c_void> {
        (self.handover.state.load(Ordering::Acquire) != REFUSED).then(|| self.pointer.get())
    }
}

impl Drop for UserData {
    fn drop(&mut self) {
        if let (true, Some(free)) = (self.handover.accepted(), self.free) {
            // SAFETY: the application gave function and pointer for exactly this one call: a `UserData` is not `Clone`.
            unsafe { free(self.pointer.get()) };
        }
    }
}

const PENDING: u8 = 0;
const ACCEPTED: u8 = 1;
const REFUSED: u8 = 2;

/// How the setter that hands a listener over ended.
struct Handover {
    state: AtomicU8,
    /// The thread the setter runs on. `pthread_self`, since Rust's own thread ids are gone in `atexit`.
    caller: libc::pthread_t,
}

impl Handover {
    /// Whether the listener that is dropped now was accepted. While the setter runs, only a refusal drops it on the
    /// setter's own thread.
    fn accepted(&self) -> bool {
        match self.state.load(Ordering::Acquire) {
            // SAFETY: no requirements.
            PENDING => unsafe { libc::pthread_equal(self.caller, libc::pthread_self()) == 0 },
            state => state == ACCEPTED,
        }
    }
}

/// Until told otherwise, a setter was refused: also when it panics.
struct Settle(Arc<Handover>, u8);

impl Drop for Settle {
    fn drop(&mut self) {
        self.0.state.store(self.1, Ordering::Release);
    }
}

/// Hands a listener with this `user_data` over: `set` gives it to the client.
pub fn hand_over(
    pointer: *mut c_void,
    free: TimFreeFn,
    set: impl FnOnce(UserData) -> Result<(), CallError>,
) -> Result<(), Refusal> {
    // SAFETY: no requirements.
    let caller = unsafe { libc::pthread_self() };
    let handover = Arc::new(Handover {
        state: AtomicU8::new(PENDING),
        caller,
    });
    let mut settle = Settle(Arc::clone(&handover), REFUSED);
    set(UserData {
        pointer: Pointer(pointer),
        free,
        handover,
    })?;
    settle.1 = ACCEPTED;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;
    use std::sync::mpsc;

    use super::*;

    unsafe extern "C" fn count(counter: *mut c_void) {
        // SAFETY: the tests pass a pointer to an AtomicU32 that outlives the listener.
        unsafe { &*counter.cast::<AtomicU32>() }.fetch_add(1, Ordering::SeqCst);
    }

    fn refusal() -> CallError {
        CallError {
            code: -6,
            text: "busy".into(),
        }
    }

    #[test]
    fn an_accepted_listener_frees_its_user_data_once_when_it_goes() {
        let freed = AtomicU32::new(0);
        let mut kept = None;
        let handed = hand_over((&raw const freed).cast_mut().cast(), Some(count), |user_data| {
            kept = Some(user_data);
            Ok(())
        });
        assert!(handed.is_ok());
        assert!(kept.as_ref().and_then(UserData::live).is_some());
        assert_eq!(freed.load(Ordering::SeqCst), 0);
        drop(kept);
        assert_eq!(freed.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_refused_listener_never_frees_its_user_data_whenever_it_goes() {
        let freed = AtomicU32::new(0);
        let pointer = (&raw const freed).cast_mut().cast();
        assert!(hand_over(pointer, Some(count), |_dropped_at_once| Err(refusal())).is_err());
        let mut kept = None;
        let handed = hand_over(pointer, Some(count), |user_data| {
            kept = Some(user_data);
            Err(refusal())
        });
        assert!(handed.is_err());
        assert!(kept.as_ref().is_some_and(|user_data| user_data.live().is_none()));
        drop(kept);
        assert_eq!(freed.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn a_setter_that_panics_is_refused() {
        let freed = AtomicU32::new(0);
        let pointer = (&raw const freed).cast_mut().cast();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            hand_over(pointer, Some(count), |_user_data| {
                std::panic::resume_unwind(Box::new("a bug"))
            })
        }));
        assert!(panicked.is_err());
        assert_eq!(freed.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn a_listener_that_was_replaced_before_its_setter_returned_is_freed() {
        let freed = AtomicU32::new(0);
        let (to_delivery, delivery) = mpsc::channel::<UserData>();
        let (to_caller, dropped) = mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                drop(delivery.recv().expect("the listener comes"));
                to_caller.send(()).expect("the setter waits");
            });
            let handed = hand_over((&raw const freed).cast_mut().cast(), Some(count), |user_data| {
                to_delivery.send(user_data).expect("the thread waits");
                dropped.recv().expect("the thread answers");
                Ok(())
            });
            assert!(handed.is_ok());
        });
        assert_eq!(freed.load(Ordering::SeqCst), 1);
    }
}
