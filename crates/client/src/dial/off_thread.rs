//! What blocks and cannot be called off, such as the system's verdict on a certificate, done on a thread of its own.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::oneshot;

/// Verifications of one client that may be under way in the system: one that hangs would otherwise gather a thread with
/// each attempt to connect.
const OFF_THREAD_MAX: usize = 4;

/// Does `work`, of the kind that `running` counts. Not in tokio's pool: that would make the end of the runtime wait for it.
/// The thread may outlive the client.
pub(super) async fn off_thread<T: Send + 'static>(
    name: &str,
    running: &Arc<AtomicUsize>,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let counted = Counted(Arc::clone(running));
    if running.fetch_add(1, Ordering::Relaxed) >= OFF_THREAD_MAX {
        let text = format!("earlier work of the thread {name} has not ended");
        return Err(io::Error::new(io::ErrorKind::WouldBlock, text));
    }
    let (answer, answered) = oneshot::channel();
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        // In this order, so that whoever hears of a panic finds the room it left.
        let (answer, counted) = (answer, counted);
        let done = work();
        drop(counted);
        // Nobody may be waiting any more; that is fine.
        drop(answer.send(done));
    })?;
    answered
        .await
        .map_err(|_| io::Error::other("a helping thread ended without an answer"))
}

/// One that is counted, until it ends in whichever way: what it does is others' code, which may panic.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_panics_does_not_use_up_the_threads_there_may_be() {
        let running = Arc::default();
        for _ in 0..=OFF_THREAD_MAX {
            let done = off_thread("tim-test", &running, || {
                std::panic::resume_unwind(Box::new("a bug"))
            })
            .await;
            let done: io::Result<()> = done;
            assert_eq!(done.unwrap_err().kind(), io::ErrorKind::Other);
        }
        assert_eq!(off_thread("tim-test", &running, || 7).await.unwrap(), 7);
    }
}
