//! The one thread that runs every callback, from the first to the end of the process, whatever is initialised how often.
//!
//! It has two sources: refusals that this layer gives itself (a queue of jobs, in the order of the calls), and clients,
//! which it polls when they ring. A job never waits for a client: a call before TIMLogin's result is refused at once,
//! not after the login.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use presence_client::Client;
use presence_protocol::errors::code;

use crate::process::watch_for_forks;

/// Something to be done where callbacks run.
pub type Job = Box<dyn FnOnce() + Send>;

/// Refusals that may wait for the thread. As many calls as a client has room for; a program gets there only if a callback
/// does not return, and more memory would not help it.
pub const JOBS_MAX: usize = 10_000;

/// Stack of the thread: as much as a thread of a C program has, for callbacks that were written for one. Only what is used
/// takes memory.
const STACK_BYTES: usize = 8 << 20;

/// Callbacks of a client that run before the next source has its turn.
const EVENTS_A_TURN: usize = 256;

/// There is no room for another job, or no thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// See the module.
pub struct CallbackThread {
    state: Mutex<State>,
    /// There is something to do.
    work: Condvar,
    /// A client ended, or there is nothing to do.
    rest: Condvar,
}

struct State {
    jobs: VecDeque<Job>,
    /// Something runs that was taken from `jobs`.
    running: bool,
    clients: Vec<(u64, Client)>,
    /// A client has something to deliver.
    rung: bool,
    alarm: Option<(Instant, Job)>,
    thread: Option<ThreadId>,
}

/// Takes a lock whose holder may have panicked: what is guarded here is whole at every step.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl CallbackThread {
    /// Not started yet.
    pub const fn new() -> CallbackThread {
        CallbackThread {
            state: Mutex::new(State {
                jobs: VecDeque::new(),
                running: false,
                clients: Vec::new(),
                rung: false,
                alarm: None,
                thread: None,
            }),
            work: Condvar::new(),
            rest: Condvar::new(),
        }
    }

    /// Whether the caller is in a callback.
    pub fn is_current(&self) -> bool {
        lock(&self.state).thread == Some(std::thread::current().id())
    }

    /// Has a job done after those that wait.
    pub fn post(&'static self, job: Job) -> Result<(), Full> {
        let mut state = lock(&self.state);
        if state.jobs.len() >= JOBS_MAX {
            return Err(Full);
        }
        self.start(&mut state)?;
        state.jobs.push_back(job);
        self.work.notify_one();
        Ok(())
    }

    /// Delivers for a client until it is closed. `id` is one that no other has.
    pub fn serve(&'static self, id: u64, client: Client) -> Result<(), Full> {
        let mut state = lock(&self.state);
        self.start(&mut state)?;
        state.clients.push((id, client));
        Ok(())
    }

    /// A client has something to deliver. To be called from its wake callback: only signals.
    pub fn ring(&self) {
        lock(&self.state).rung = true;
        self.work.notify_one();
    }

    /// Has a job done at a time; there is one alarm, the latest that was set.
    pub fn set_alarm(&self, at: Instant, job: Job) {
        let before = lock(&self.state).alarm.replace((at, job));
        self.work.notify_one();
        drop(before);
    }

    /// Forgets the alarm.
    pub fn clear_alarm(&self) {
        let before = lock(&self.state).alarm.take();
        drop(before);
    }

    /// Waits until the client is closed and everything posted before is done; at most `patience`, and not at all inside a
    /// callback. False if it came to no end.
    pub fn await_end(&self, id: u64, patience: Duration) -> bool {
        let mut state = lock(&self.state);
        if state.thread == Some(std::thread::current().id()) {
            return false;
        }
        let deadline = Instant::now() + patience;
        while state.running || !state.jobs.is_empty() || state.clients.iter().any(|(other, _)| *other == id) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.rest.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn start(&'static self, state: &mut State) -> Result<(), Full> {
        if state.thread.is_none() {
            if !watch_for_forks() {
                return Err(Full);
            }
            let started = std::thread::Builder::new()
                .name("imsdk-callbacks".into())
                .stack_size(STACK_BYTES)
                .spawn(move || self.run())
                .map_err(|_| Full)?;
            // It is never joined: it lives as long as the process.
            state.thread = Some(started.thread().id());
        }
        Ok(())
    }

    fn run(&self) {
        loop {
            let (jobs, clients) = self.await_work();
            for job in jobs {
                contained(job);
            }
            let mut unfinished = false;
            let mut ended = Vec::new();
            for (id, client) in clients {
                match client.poll(EVENTS_A_TURN, Duration::ZERO) {
                    Ok(ran) => unfinished |= ran == EVENTS_A_TURN,
                    Err(error) if error.code == code::CLOSED => ended.push(id),
                    // A destroy on another thread has its callbacks; it is not used, but the contract allows it.
                    Err(_) => {}
                }
            }
            let gone: Vec<(u64, Client)> = {
                let mut state = lock(&self.state);
                state.running = false;
                state.rung |= unfinished;
                self.rest.notify_all();
                state
                    .clients
                    .extract_if(.., |(id, _)| ended.contains(id))
                    .collect()
            };
            // Outside of the lock: the end of a client may take one of its own.
            drop(gone);
        }
    }

    /// Waits for something to do; the jobs in order, and the clients to poll.
    fn await_work(&self) -> (VecDeque<Job>, Vec<(u64, Client)>) {
        let mut state = lock(&self.state);
        loop {
            if state.alarm.as_ref().is_some_and(|(at, _)| *at <= Instant::now())
                && let Some((_, job)) = state.alarm.take()
            {
                state.jobs.push_back(job);
            }
            if !state.jobs.is_empty() || state.rung {
                break;
            }
            state = match &state.alarm {
                None => self.work.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some((at, _)) => {
                    let left = at.saturating_duration_since(Instant::now());
                    let waited = self.work.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        state.rung = false;
        state.running = true;
        (std::mem::take(&mut state.jobs), state.clients.clone())
    }
}

/// Runs a job; a panic inside it, ours, is printed by Rust's hook and ends there.
fn contained(job: Job) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(job)) {
        std::mem::forget(payload);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    fn thread() -> &'static CallbackThread {
        Box::leak(Box::new(CallbackThread::new()))
    }

    #[test]
    fn jobs_run_in_order_on_one_thread_that_is_not_the_callers() {
        let thread = thread();
        let (tell, told) = mpsc::channel();
        for number in 0..100 {
            let tell = tell.clone();
            let job = move || tell.send((number, std::thread::current().id())).unwrap();
            assert_eq!(thread.post(Box::new(job)), Ok(()));
        }
        let ran: Vec<_> = (0..100).map(|_| told.recv_timeout(SOON).unwrap()).collect();
        assert!(ran.iter().map(|(number, _)| *number).eq(0..100));
        let first = ran[0].1;
        assert!(ran.iter().all(|(_, id)| *id == first) && first != std::thread::current().id());
    }

    #[test]
    fn room_for_jobs_ends_and_a_panic_does_not_end_the_thread() {
        let thread = thread();
        let (go, gone) = mpsc::channel::<()>();
        let (begin, begun) = mpsc::channel();
        let blocking = move || {
            begin.send(()).unwrap();
            let _ = gone.recv();
        };
        thread.post(Box::new(blocking)).unwrap();
        begun.recv_timeout(SOON).unwrap();
        for _ in 0..JOBS_MAX {
            thread
                .post(Box::new(|| std::panic::resume_unwind(Box::new(0))))
                .unwrap();
        }
        assert_eq!(thread.post(Box::new(|| ())), Err(Full));
        assert!(!thread.await_end(1, Duration::ZERO), "a job runs");
        drop(go);
        assert!(thread.await_end(1, SOON));
        assert_eq!(thread.post(Box::new(|| ())), Ok(()));
    }

    #[test]
    fn an_alarm_rings_once_and_the_latest_counts() {
        let thread = thread();
        thread.post(Box::new(|| ())).unwrap();
        let (tell, told) = mpsc::channel();
        let (first, second) = (tell.clone(), tell);
        let far = Instant::now() + 1000 * SOON;
        thread.set_alarm(far, Box::new(move || first.send(1).unwrap()));
        thread.set_alarm(Instant::now(), Box::new(move || second.send(2).unwrap()));
        assert_eq!(told.recv_timeout(SOON), Ok(2));
        assert!(told.recv_timeout(SOON).is_err(), "both jobs are gone");
        thread.set_alarm(far, Box::new(|| ()));
        thread.clear_alarm();
    }
}
