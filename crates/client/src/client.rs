//! The client as the application holds it: checks what can be checked without knowing anything, and sends commands.

use std::sync::Arc;
use std::time::{Duration, Instant};

use presence_protocol::errors::code;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::api::{CallError, Completion, Listener, ListenerKind, LoginState};
use crate::data_dir::Identity;
use crate::delivery::{Outlet, poll, shared, shared::SharedThread, thread::CallbackThread};
pub use crate::delivery::{ThreadHook, WakeFn};
use crate::dial::Dialer;
use crate::door::{Door, closing};
use crate::options::{DeliveryMode, Options};
use crate::runtime::{Lease, Runtime, fork_depth, join_if_unused};
use crate::session::machine::Machine;
use crate::session::{Ask, Command, actor};
use crate::world::{SystemWorld, World};

/// Called once when nothing else of the client will be.
pub type ClosedFn = Box<dyn FnOnce() + Send>;

/// Logins and logouts that may be outstanding beyond `queue_max`: they have room of their own.
const SESSION_ROOM: usize = 16;

/// A client: cheap to clone, all clones are the same client. When the last clone is dropped the client ends in the
/// background, as after [`Client::destroy_async`].
///
/// Every method may be called on any thread, also from inside a callback; those that would then wait for themselves
/// answer `WOULD_DEADLOCK`. Besides what is said at each: a closing client answers `CLOSED`, a failed one `FAILED`, one
/// made before a `fork` answers `FORKED` in the child. Text of the error in [`CallError::text`].
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    door: Arc<Door>,
    bell: Arc<Notify>,
    outlet: Arc<Outlet>,
    delivery: Delivery,
    /// `None`: runs on a runtime of the caller's.
    runtime: Option<Arc<Runtime>>,
    world: Arc<dyn World>,
    queue_max: usize,
    fork_depth: usize,
}

/// Who runs the callbacks.
enum Delivery {
    Thread(CallbackThread),
    Shared(Arc<SharedThread>),
    Poll,
}

impl Client {
    /// Starts a client. `options_json` as documented in [`options`](crate::options); unknown keys are refused by name.
    ///
    /// Errors: `INVALID_OPTIONS`; `UNSUPPORTED` for `tims://` in a build without TLS; `DATA_DIR`; `NO_MEMORY` if the system refuses a thread or a
    /// descriptor. Reads and writes the data directory, and reads
    /// `ca_file`, on this thread.
    pub fn create(options_json: &str) -> Result<Client, CallError> {
        let options = Options::parse(options_json)?;
        let world = Arc::new(SystemWorld::new());
        let dialer = Dialer::new(Arc::clone(&world) as Arc<dyn World>, &options)?;
        let identity = Identity::take(options.data_dir.as_deref(), &*world)?;
        let lease = Lease::take(Runtime::start).map_err(no_resource)?;
        let runtime = Arc::clone(lease.part());
        let bell = Arc::new(Notify::new());
        let (outlet, delivery) = match options.delivery {
            DeliveryMode::Thread => {
                let (outlet, thread) = CallbackThread::start(Arc::clone(&bell)).map_err(no_resource)?;
                (outlet, Delivery::Thread(thread))
            }
            DeliveryMode::Shared => {
                let (outlet, thread) = shared::enter(Arc::clone(&bell)).map_err(no_resource)?;
                (outlet, Delivery::Shared(thread))
            }
            DeliveryMode::Poll => (poll::outlet(Arc::clone(&bell)), Delivery::Poll),
        };
        let handle = runtime.handle().clone();
        let client = Parts {
            options,
            identity,
            world,
            dialer,
            outlet,
            delivery,
            bell,
        };
        Ok(client.start(&handle, Some((lease, runtime))))
    }

    /// Starts a client in a given world, on the runtime of the calling task, with poll delivery: for tests and
    /// simulations. Await events by a wake callback that signals the task which polls, with a timeout of zero; end it
    /// with [`Client::destroy_async`] and poll until `CLOSED`.
    ///
    /// Panics outside of a tokio runtime. Errors as [`Client::create`]; `INVALID_OPTIONS` for another delivery than poll.
    pub fn create_in(world: Arc<dyn World>, options: Options) -> Result<Client, CallError> {
        if options.delivery != DeliveryMode::Poll {
            let text = "option \"delivery\": a client on a given runtime needs \"poll\"";
            return Err(CallError::new(code::INVALID_OPTIONS, text));
        }
        let dialer = Dialer::new(Arc::clone(&world), &options)?;
        let identity = Identity::take(options.data_dir.as_deref(), &*world)?;
        let bell = Arc::new(Notify::new());
        let outlet = poll::outlet(Arc::clone(&bell));
        let client = Parts {
            options,
            identity,
            world,
            dialer,
            outlet,
            delivery: Delivery::Poll,
            bell,
        };
        Ok(client.start(&Handle::current(), None))
    }

    /// R8.1, R8.2. In the result: 0; 7501 while another login is under way; 7014 while another user is logged in; 7003;
    /// 9523 after `login_timeout_ms`; the server's refusals. `Err`: `BUSY` when 16 logins and logouts wait beyond
    /// `queue_max`.
    pub fn login(&self, user_id: &str, user_sig: &str, done: Completion) -> Result<(), CallError> {
        let command = Command::Login {
            user_id: user_id.to_owned(),
            user_sig: user_sig.to_owned(),
            done,
        };
        self.send(command, self.shared.queue_max + SESSION_ROOM)
    }

    /// R8.8. In the result: 0, at the latest after `logout_timeout_ms`; 6014. `Err` as [`Client::login`].
    pub fn logout(&self, done: Completion) -> Result<(), CallError> {
        self.send(Command::Logout { done }, self.shared.queue_max + SESSION_ROOM)
    }

    /// R8.4. In the result: 0; the server's refusals, and then the old one stays in use; 9508, 9523 (R8.6).
    pub fn renew_user_sig(&self, user_sig: &str, done: Completion) -> Result<(), CallError> {
        self.call(Ask::RenewUserSig(user_sig.to_owned()), done)
    }

    /// R3. In the result: 0; 6014; 6017; 9508, 9523 (R8.6).
    pub fn set_self_status(&self, custom_status: &str, done: Completion) -> Result<(), CallError> {
        #[cfg(feature = "test-panic")]
        crate::planted::panic_if(custom_status, crate::planted::IN_CALL);
        self.call(Ask::SetSelfStatus(custom_status.to_owned()), done)
    }

    /// R4. In the result: 0 and `users`; the refusals of R7.1; 9508, 9523 (R8.6).
    pub fn get_user_status(&self, user_ids: Vec<String>, done: Completion) -> Result<(), CallError> {
        self.call(Ask::GetUserStatus(user_ids), done)
    }

    /// R5.1. In the result: 0, `users` and `evicted`; the refusals of R7.1; 9508, 9523 (R8.6).
    pub fn subscribe(&self, user_ids: Vec<String>, done: Completion) -> Result<(), CallError> {
        self.call(Ask::Subscribe(user_ids), done)
    }

    /// R5.7; none: the whole list. In the result: 0 and `users`; the refusals of R7.1; 9508, 9523 (R8.6).
    pub fn unsubscribe(&self, user_ids: Vec<String>, done: Completion) -> Result<(), CallError> {
        self.call(Ask::Unsubscribe(user_ids), done)
    }

    /// R5.9. In the result: 0 and `users`, oldest first; 6014; 9508, 9523 (R8.6).
    pub fn get_subscriptions(&self, done: Completion) -> Result<(), CallError> {
        self.call(Ask::GetSubscriptions, done)
    }

    /// R9.1. In the result: 0 and `users`; 6014; 9508, 9523 (R8.6).
    pub fn get_friends(&self, done: Completion) -> Result<(), CallError> {
        self.call(Ask::GetFriends, done)
    }

    /// Tries whether the server can be reached: makes a connection, as a login would, and lets go of it. Tells nobody
    /// else, and changes nothing.
    ///
    /// In the result, which waits for no other and which no other waits for: 0; 9510, 9511, 9512 or 9523, by what
    /// failed, with the system's text. `Err` as for every call.
    pub fn reach(&self, done: Completion) -> Result<(), CallError> {
        self.send(Command::Reach { done }, self.shared.queue_max)
    }

    /// Replaces a listener, in order with what waits to be delivered: what was queued before goes to the old one. `BUSY`
    /// when there is no room (`queue_max`); the listener is then dropped on this thread.
    pub fn set_listener(&self, listener: Listener) -> Result<(), CallError> {
        let level = match &listener {
            Listener::Log(level, _) => Some(*level),
            _ => None,
        };
        self.send(Command::Listen(listener), self.shared.queue_max)?;
        if level.is_some() {
            self.shared.outlet.visible.set_log_level(level);
        }
        Ok(())
    }

    /// Removes a listener. Errors as [`Client::set_listener`].
    pub fn remove_listener(&self, kind: ListenerKind) -> Result<(), CallError> {
        self.send(Command::Unlisten(kind), self.shared.queue_max)?;
        if kind == ListenerKind::Log {
            self.shared.outlet.visible.set_log_level(None);
        }
        Ok(())
    }

    /// Called on the callback thread before any further callback (`true`), and when it is replaced or the client ends
    /// there (`false`); for JNI and the like. `UNSUPPORTED` with poll delivery, which has no callback thread of ours.
    pub fn set_thread_hooks(&self, hook: Option<ThreadHook>) -> Result<(), CallError> {
        if matches!(self.shared.delivery, Delivery::Poll) {
            let text = "thread hooks: with the option \"delivery\":\"poll\" callbacks run on the application's own threads";
            return Err(CallError::new(code::UNSUPPORTED, text));
        }
        self.send(Command::Hook(hook), self.shared.queue_max)
    }

    /// Now, without waiting.
    #[must_use]
    pub fn login_state(&self) -> LoginState {
        self.shared.outlet.visible.login_state()
    }

    /// Now, without waiting; `None` when logged out and until a login succeeded.
    #[must_use]
    pub fn login_user(&self) -> Option<String> {
        self.shared.outlet.visible.login_user()
    }

    /// The server's clock, ms since the Unix epoch, as known from the last login reply and our monotonic clock; `None`
    /// before the first.
    #[must_use]
    pub fn server_time_ms(&self) -> Option<i64> {
        let offset_ms = self.shared.outlet.visible.clock_offset_ms()?;
        Some(offset_ms.saturating_add_unsigned(self.shared.world.mono_ms()))
    }

    /// Whether an internal error, or a panic of the application's code in a callback, ended this client; then every call
    /// but those that destroy it answers `FAILED`.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.shared.outlet.visible.has_failed()
    }

    /// Whether its end was begun: then only what ends it, and poll, is not answered `CLOSED`.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.shared.door.is_closing()
    }

    /// The network changed or came back: a connection that is waited for or being made, up to the answer to its login, is
    /// begun anew at once (R8.5), and so is a logout said later (R8.8); called again and again, 100 ms after the last time,
    /// then 200 and so on up to 5 s, so that a slow link has its time. A connection that is there is asked for a sign of
    /// life.
    pub fn network_changed(&self) -> Result<(), CallError> {
        self.check_fork()?;
        {
            let mut door = self.shared.door.enter()?;
            if self.shared.outlet.visible.network_changes() {
                door.push(Command::NetworkChanged);
            }
        }
        self.shared.ring();
        Ok(())
    }

    /// Poll delivery: runs up to `events_max` callbacks on this thread; waits up to `timeout` for the first. Answers how
    /// many ran.
    ///
    /// Errors: `CLOSED`: the client is closed, or a destroy took over; this was the last poll. `BUSY`: another thread is in
    /// poll, or this one already is. `WOULD_DEADLOCK` inside a wake callback. `INVALID_ARGUMENT` for no events.
    /// `UNSUPPORTED` with another delivery.
    pub fn poll(&self, events_max: usize, timeout: Duration) -> Result<usize, CallError> {
        self.check_fork()?;
        poll::require(&self.shared.outlet, "poll")?;
        if self.shared.on_runtime() {
            let text = "poll: called from the wake callback, which may only signal";
            return Err(CallError::new(code::WOULD_DEADLOCK, text));
        }
        if events_max == 0 {
            return Err(CallError::new(
                code::INVALID_ARGUMENT,
                "poll: the number of events is 0",
            ));
        }
        poll::poll(&self.shared.outlet, events_max, timeout)
    }

    /// Poll delivery: a descriptor that is readable while callbacks wait. Owned by the client, closed with it: only wait
    /// for it. `UNSUPPORTED` with another delivery or on a system without such; `NO_MEMORY` if the system has none left.
    pub fn wake_fd(&self) -> Result<i32, CallError> {
        self.check_fork()?;
        poll::wake_fd(&self.shared.outlet)
    }

    /// Poll delivery: called on a library thread when the queue stops being empty, and at once if it is not; may only
    /// signal. The old one is dropped in a later poll. `UNSUPPORTED` with another delivery.
    pub fn set_wake_callback(&self, wake: Option<WakeFn>) -> Result<(), CallError> {
        poll::require(&self.shared.outlet, "a wake callback")?;
        self.send(Command::Wake(wake), self.shared.queue_max)
    }

    /// Ends the client: see docs/C_API.md, "Lifetime". What is pending completes with `SHUTDOWN`. `Ok` means that every
    /// result was delivered, every listener dropped, and no thread of it is left.
    ///
    /// Errors: `TIMEOUT`: it goes on in the background and this may be called again. `WOULD_DEADLOCK`: called on the
    /// callback thread; nothing was begun. May be called by several threads, and after [`Client::destroy_async`].
    /// With poll delivery it runs what remains on this thread, after ending a concurrent poll.
    pub fn destroy(&self, timeout: Duration) -> Result<(), CallError> {
        self.check_fork()?;
        let shared = &self.shared;
        if shared.outlet.runs_here() || shared.on_runtime() {
            let text = "destroy: called from a callback it would wait for; use the asynchronous form";
            return Err(CallError::new(code::WOULD_DEADLOCK, text));
        }
        let deadline = Instant::now().checked_add(timeout);
        // Closing already is fine: then this only waits.
        let _ = shared.begin_close(None);
        let ended = match &shared.delivery {
            Delivery::Thread(thread) => thread.join(&shared.outlet, deadline),
            Delivery::Shared(thread) => shared::join(&shared.outlet, thread, deadline),
            Delivery::Poll => poll::finish(&shared.outlet, deadline),
        };
        if !ended {
            return Err(CallError::new(
                code::TIMEOUT,
                "destroy: not finished in the given time; it goes on",
            ));
        }
        if let Some(runtime) = &shared.runtime {
            join_if_unused(runtime);
        }
        Ok(())
    }

    /// Starts to end it; `closed` is called once when nothing else will be (but for the thread hook's end), where
    /// callbacks run. `CLOSED` if it is closing already; `closed` is then dropped on this thread.
    pub fn destroy_async(&self, closed: ClosedFn) -> Result<(), CallError> {
        self.check_fork()?;
        self.shared.begin_close(Some(closed)).map_err(|_| closing())
    }

    fn call(&self, ask: Ask, done: Completion) -> Result<(), CallError> {
        self.send(Command::Call { ask, done }, self.shared.queue_max)
    }

    /// Sends a command that was promised to be carried out, if fewer than `promises_max` are outstanding.
    fn send(&self, command: Command, promises_max: usize) -> Result<(), CallError> {
        self.check_fork()?;
        let visible = &self.shared.outlet.visible;
        {
            let mut door = self.shared.door.enter()?;
            if !visible.promise(promises_max) {
                return Err(CallError::new(
                    code::BUSY,
                    "as many calls wait for their result as queue_max allows",
                ));
            }
            if matches!(command, Command::Login { .. }) {
                visible.login_accepted();
            }
            door.push(command);
        }
        self.shared.ring();
        Ok(())
    }

    fn check_fork(&self) -> Result<(), CallError> {
        if self.shared.fork_depth == fork_depth() {
            return Ok(());
        }
        Err(CallError::new(
            code::FORKED,
            "the client was made before fork(); make a new one in the child",
        ))
    }
}

impl Shared {
    /// Whether the calling thread is the runtime's, which runs no application code but wake callbacks.
    fn on_runtime(&self) -> bool {
        self.runtime.as_ref().is_some_and(|runtime| runtime.runs_here())
    }

    /// Wakes the actor, which finds what entered.
    fn ring(&self) {
        if let Some(runtime) = &self.runtime {
            runtime.caller().call_from_here();
        }
        self.bell.notify_one();
    }

    /// Refuses by handing `closed` back.
    fn begin_close(&self, closed: Option<ClosedFn>) -> Result<(), Option<ClosedFn>> {
        self.door.close(closed)?;
        self.ring();
        Ok(())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if self.fork_depth == fork_depth() {
            // Closing already is fine.
            let _ = self.begin_close(None);
        }
    }
}

fn no_resource(error: std::io::Error) -> CallError {
    CallError::new(
        code::NO_MEMORY,
        format!("the system refused a thread or a descriptor: {error}"),
    )
}

/// What a client is made of.
struct Parts {
    options: Options,
    identity: Identity,
    world: Arc<dyn World>,
    dialer: Dialer,
    outlet: Arc<Outlet>,
    delivery: Delivery,
    bell: Arc<Notify>,
}

impl Parts {
    fn start(self, on: &Handle, lease: Option<(Lease<Runtime>, Arc<Runtime>)>) -> Client {
        let Parts {
            options,
            identity,
            world,
            dialer,
            outlet,
            delivery,
            bell,
        } = self;
        let (door, inbox) = Door::new();
        let queue_max = options.queue_max;
        let (lease, runtime) = lease.unzip();
        let now = tokio::time::Instant::now();
        let machine = Machine::new(
            options,
            identity,
            Arc::clone(&world),
            dialer,
            Arc::clone(&outlet),
            now,
        );
        on.spawn(actor::run(machine, inbox, Arc::clone(&bell), lease));
        let fork_depth = fork_depth();
        Client {
            shared: Arc::new(Shared {
                door,
                bell,
                outlet,
                delivery,
                runtime,
                world,
                queue_max,
                fork_depth,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_network_that_changes_without_end_fills_no_memory() {
        let options = r#"{"server":"tim://127.0.0.1:1","sdk_app_id":1,"delivery":"poll"}"#;
        let world = Arc::new(SystemWorld::new());
        let client = Client::create_in(world, Options::parse(options).unwrap()).unwrap();
        // The session has no turn as long as nothing is awaited.
        for _ in 0..1_000 {
            client.network_changed().unwrap();
        }
        let waiting = || client.shared.door.waiting();
        assert_eq!(waiting(), 1);
        while waiting() > 0 {
            tokio::task::yield_now().await;
        }
        client.network_changed().unwrap();
        assert_eq!(waiting(), 1, "what changed since is news");
    }
}
