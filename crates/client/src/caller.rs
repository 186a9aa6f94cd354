//! A caller goes on before its call is carried out.
//!
//! The kernel may give a caller's CPU to the thread that its call woke, even while another CPU is idle: on a virtual
//! machine it takes a halted CPU for one that the host has taken away. The call would then return only after its request
//! was encoded and sent. So a call says where it runs, and the runtime's thread, when it wakes up just there, yields once.
//! On a CPU of its own, or for anything but a call, it starts at once. Measured in docs/PERFORMANCE.md.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The CPU of the last caller since the runtime's thread woke up.
#[derive(Default)]
pub(crate) struct CallerCpu(AtomicUsize);

/// No caller, or nobody knows where.
const NOWHERE: usize = 0;

impl CallerCpu {
    /// Called on a caller's thread, before it wakes the runtime's.
    pub(crate) fn call_from_here(&self) {
        self.0.store(here(), Ordering::Relaxed);
    }

    /// Called on the runtime's thread when it wakes up.
    pub(crate) fn let_caller_go_on(&self) {
        let caller = self.0.swap(NOWHERE, Ordering::Relaxed);
        if caller != NOWHERE && caller == here() {
            std::thread::yield_now();
        }
    }
}

/// The calling thread's CPU, of which it may be gone in the next moment: a hint, counted from 1.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn here() -> usize {
    nix::sched::sched_getcpu().map_or(NOWHERE, |cpu| cpu + 1)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn here() -> usize {
    NOWHERE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_let_go_on_once() {
        let cpu = CallerCpu::default();
        cpu.call_from_here();
        assert_eq!(
            cpu.0.load(Ordering::Relaxed) != NOWHERE,
            cfg!(any(target_os = "linux", target_os = "android"))
        );
        cpu.let_caller_go_on();
        assert_eq!(cpu.0.load(Ordering::Relaxed), NOWHERE);
    }
}
