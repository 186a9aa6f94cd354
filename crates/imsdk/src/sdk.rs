//! The SDK between TIMInit and TIMUninit: one client, the logins that wait for one another, and what calls are answered
//! by the state they meet.

use std::collections::VecDeque;
use std::ffi::c_int;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use presence_client::{CallError, Client, Completion, Listener, ListenerKind, LoginState, Outcome};
use presence_protocol::errors::code;
use serde_json::{Map, Value};

use crate::answer::{Answer, Empty, Refused};
use crate::callback_thread::lock;
use crate::guard::{Reply, result};
use crate::json;
use crate::listeners::{client_level, log_level, tim_level};
use crate::network::{Network, RETRY, failure, status};
use crate::place::{self, Known};
use crate::process::{Process, process};

/// Logins that may wait for the one under way. The original sets no bound; a program that waits for results has one.
const LOGINS_MAX: usize = 16;

/// How long TIMUninit waits for the callbacks it causes. Long enough for any callback that does its work; short enough
/// for a program that holds a lock meanwhile which its callbacks take.
const UNINIT_PATIENCE: Duration = Duration::from_secs(1);

/// How often and how long a new client waits for room for one more listener: five seconds in all.
const ROOM_POLLS: usize = 500;
const ROOM_POLL: Duration = Duration::from_millis(10);

/// See the module.
pub struct Sdk {
    id: u64,
    /// `Err`: why there is none. Everything but a login answers as if it had not been tried.
    client: Result<Client, String>,
    logins: Mutex<Logins>,
    network: Arc<Network>,
}

/// The login under way, and those after it.
#[derive(Default)]
struct Logins {
    under_way: bool,
    waiting: VecDeque<Login>,
}

struct Login {
    user_id: String,
    user_sig: String,
    reply: Reply,
    /// A logout came after it (6023).
    cancelled: bool,
}

// ---- life cycle ----

/// TIMInit. A second one changes nothing, also with another app, as with the original.
pub fn init(sdk_app_id: u64, config: &Map<String, Value>) -> Result<(), c_int> {
    let process = process();
    if sdk_app_id == 0 {
        return Err(result::ERR_PARAM);
    }
    let mut made = None;
    let initialised = process.init(|| {
        let sdk = Sdk::start(process, sdk_app_id, config)?;
        made = Some(Arc::clone(&sdk));
        Some(sdk)
    });
    if let Some(sdk) = made {
        sdk.announce(process);
    }
    if initialised {
        Ok(())
    } else {
        Err(result::ERR_PARAM)
    }
}

/// TIMUninit. Whatever waits is completed with 7009; unless called in a callback, or a callback does not return, that is
/// done when this returns.
pub fn uninit() {
    let process = process();
    let Some(sdk) = process.take_sdk() else { return };
    process.thread.clear_alarm();
    if let Ok(client) = &sdk.client {
        // Closing already would be fine.
        let _ = client.destroy_async(Box::new(|| ()));
    }
    // That it does not end in time is the application's doing; the callbacks come when it lets them.
    let _ = process.thread.await_end(sdk.id, UNINIT_PATIENCE);
}

impl Sdk {
    /// `None` if the system refuses a thread.
    fn start(process: &'static Process, sdk_app_id: u64, config: &Map<String, Value>) -> Option<Arc<Sdk>> {
        let (custom_server, storage) = {
            let settings = lock(&process.settings);
            (settings.custom_server.clone(), !settings.no_storage)
        };
        let known = Known {
            sdk_app_id,
            config,
            custom_server: custom_server.as_deref(),
            storage,
            variable: &|name| std::env::var(name).ok(),
        };
        let client = place::options(&known).and_then(|options| create(process, &options));
        let mut sdk = Sdk {
            id: process.new_id(),
            client,
            logins: Mutex::default(),
            network: Arc::new(Network::new()),
        };
        if let Ok(client) = &sdk.client {
            process.thread.serve(sdk.id, client.clone()).ok()?;
            let listens = sdk.listen(process, client);
            if let Err(error) = listens {
                // It was not closing before.
                let _ = client.destroy_async(Box::new(|| ()));
                sdk.client = Err(error.text);
            }
            // What `listen` left, and what it kept the callback thread from.
            process.thread.ring();
        }
        Some(Arc::new(sdk))
    }

    /// Everything the client tells goes to the application's listener of that moment.
    fn listen(&self, process: &'static Process, client: &Client) -> Result<(), CallError> {
        let listeners = &process.listeners;
        with_room(client, || {
            client.set_listener(Listener::StatusChanged(Box::new(|changes| {
                listeners.tell_user_status(|| json::statuses(changes));
            })))
        })?;
        with_room(client, || {
            client.set_listener(Listener::KickedOffline(Box::new(|_, _| {
                listeners.tell_kicked_offline();
            })))
        })?;
        with_room(client, || {
            client.set_listener(Listener::UserSigExpired(Box::new(|| {
                listeners.tell_user_sig_expired();
            })))
        })?;
        with_room(client, || {
            let network = Arc::clone(&self.network);
            client.set_listener(Listener::ConnectionState(Box::new(move |state, code, text| {
                network.follow(listeners, state, code, text);
            })))
        })?;
        with_room(client, || {
            client.set_wake_callback(Some(Box::new(|| process.thread.ring())))
        })?;
        // Last, for it may have something to tell at once, and that is the callback thread's to run.
        with_room(client, || listen_to_logs(process, client))
    }

    /// Tells of the network from the start, as the original does.
    fn announce(self: &Arc<Sdk>, process: &'static Process) {
        let sdk = Arc::clone(self);
        // Without room in a queue that a program just initialised has filled, the next login tells.
        let _ = process.thread.post(Box::new(move || sdk.try_server(process)));
    }

    /// On the callback thread: is the server there? Says so, and asks again later if it is not.
    fn try_server(self: &Arc<Sdk>, process: &'static Process) {
        let client = match &self.client {
            Ok(client) => client,
            Err(why) => {
                let failed = status::CONNECT_FAILED;
                return self
                    .network
                    .tell(&process.listeners, failed, code::NO_CONNECTION, why);
            }
        };
        if client.login_state() != LoginState::LoggedOut {
            return;
        }
        self.network
            .tell(&process.listeners, status::CONNECTING, code::OK, "");
        let sdk = Arc::clone(self);
        let reach = client.reach(Box::new(move |outcome| sdk.tried_server(process, &outcome)));
        // A client that has failed, or is being destroyed, has nothing to tell of the network; one that is busy, later.
        if reach.is_err_and(|error| error.code == code::BUSY) {
            self.try_server_in(ROOM_POLL, process);
        }
    }

    fn tried_server(self: &Arc<Sdk>, process: &'static Process, outcome: &Outcome) {
        let logged_out = |client: &Client| client.login_state() == LoginState::LoggedOut;
        // A login that began meanwhile tells for itself.
        if !self.client.as_ref().is_ok_and(logged_out) {
            return;
        }
        if outcome.code == code::OK {
            return self
                .network
                .tell(&process.listeners, status::CONNECTED, code::OK, "");
        }
        // Else the client ends, and there is nothing to tell.
        if let Some(code) = failure(outcome.code) {
            let failed = status::CONNECT_FAILED;
            self.network
                .tell(&process.listeners, failed, code, &outcome.message);
            self.try_server_in(RETRY, process);
        }
    }

    fn try_server_in(self: &Arc<Sdk>, wait: Duration, process: &'static Process) {
        let sdk: Weak<Sdk> = Arc::downgrade(self);
        let again = move || {
            if let Some(sdk) = sdk.upgrade() {
                sdk.try_server(process);
            }
        };
        process.thread.set_alarm(Instant::now() + wait, Box::new(again));
    }

    /// What there is to ask.
    pub fn client(&self) -> Option<&Client> {
        self.client.as_ref().ok()
    }
}

/// A client; in a folder of the program's if that can be used, else as a new device each time.
fn create(process: &'static Process, options: &place::Options) -> Result<Client, String> {
    let created = Client::create(&options.json).or_else(|error| match &options.folder {
        Some(folder) if error.code == code::DATA_DIR => {
            let why = format!(
                "{} cannot be used, so this is a new device at each start: {error}",
                folder.path
            );
            log(process, log_level::WARN, &why);
            Client::create(&folder.json_without)
        }
        _ => Err(error),
    });
    created.map_err(|error| error.text)
}

/// Sets a listener of a new client. With an option "queue_max" below six there may be no room for one more: each takes a place
/// among the calls that wait until the client has it and it is polled, which is a matter of microseconds.
fn with_room(client: &Client, set: impl Fn() -> Result<(), CallError>) -> Result<(), CallError> {
    for _ in 0..ROOM_POLLS {
        match set() {
            // There is nothing to hear of yet. If the callback thread polls at this moment, that is as well.
            Err(error) if error.code == code::BUSY => drop(client.poll(1, ROOM_POLL)),
            done => return done,
        }
    }
    set()
}

/// Sends the client's log records on, from the level that was asked for.
fn listen_to_logs(process: &'static Process, client: &Client) -> Result<(), CallError> {
    let level = client_level(lock(&process.settings).log_level);
    match level.filter(|_| process.listeners.wants_logs()) {
        Some(level) => client.set_listener(Listener::Log(
            level,
            Box::new(|level, text| process.listeners.tell_log(tim_level(level), text)),
        )),
        None => client.remove_listener(ListenerKind::Log),
    }
}

/// The log callback or its level changed.
pub fn logs_changed() {
    let process = process();
    if let Some(sdk) = process.sdk()
        && let Ok(client) = &sdk.client
    {
        // Without room the old level stays for the next change to mend; the callback itself is looked up at each record.
        let _ = listen_to_logs(process, client);
    }
}

/// A record of this layer's own.
pub fn log(process: &'static Process, level: c_int, text: &str) {
    let wanted = lock(&process.settings).log_level;
    if wanted != log_level::OFF && level >= wanted && process.listeners.wants_logs() {
        let text = text.to_owned();
        // A record is not worth more than the room for one.
        let _ = process
            .thread
            .post(Box::new(move || process.listeners.tell_log(level, &text)));
    }
}

// ---- answers ----

/// Has an answer delivered that is known already.
pub fn answer(reply: Reply, answer: Answer) -> Result<(), c_int> {
    let job = move || reply.call(answer.code, &answer.text, &answer.json);
    process()
        .thread
        .post(Box::new(job))
        .map_err(|_| result::ERR_PARAM)
}

/// What the client calls with the result of a call.
pub fn completion(
    reply: Reply,
    empty: Empty,
    json: impl FnOnce(&Outcome) -> String + Send + 'static,
) -> Completion {
    Box::new(move |outcome| {
        let answer = Answer::from_outcome(&outcome, empty, json);
        reply.call(answer.code, &answer.text, &answer.json);
    })
}

/// Makes a call for the user who is logged in; else answers 6013 or 6014, before anything is said of its arguments, as
/// the original does. Where `begin` refuses, that is the answer.
pub fn as_user(
    reply: Reply,
    empty: Empty,
    begin: impl FnOnce(&Client) -> Result<(), Refused>,
) -> Result<(), c_int> {
    let Some(sdk) = process().sdk() else {
        return answer(reply, Answer::of(code::NOT_INITIALIZED, empty));
    };
    match &sdk.client {
        Ok(client) if client.login_state() == LoginState::LoggedIn => {
            begin(client).or_else(|refused| answer(reply, refused.answer(empty)))
        }
        _ => answer(reply, Answer::of(code::NOT_LOGGED_IN, empty)),
    }
}

// ---- logging in and out ----

/// TIMLogin (R8.1). One at a time: the next begins when the one before has its result.
pub fn login(user_id: String, user_sig: String, reply: Reply) -> Result<(), c_int> {
    let Some(sdk) = process().sdk() else {
        return answer(reply, Answer::of(code::NOT_INITIALIZED, Empty::Nothing));
    };
    if let Err(why) = &sdk.client {
        return answer(
            reply,
            Answer::failure(code::NO_CONNECTION, &**why, Empty::Nothing),
        );
    }
    let login = Login {
        user_id,
        user_sig,
        reply,
        cancelled: false,
    };
    {
        let mut logins = lock(&sdk.logins);
        if logins.under_way {
            if logins.waiting.len() >= LOGINS_MAX {
                return answer(reply, Answer::of(code::LOGIN_IN_PROGRESS, Empty::Nothing));
            }
            logins.waiting.push_back(login);
            return Ok(());
        }
        logins.under_way = true;
    }
    sdk.begin_login(login).or_else(|error| {
        let refused = answer(reply, Answer::from_refusal(&error, Empty::Nothing));
        sdk.login_ended(error.code);
        refused
    })
}

impl Sdk {
    /// A refusal by the client is for the caller to tell.
    fn begin_login(self: &Arc<Sdk>, login: Login) -> Result<(), CallError> {
        let Ok(client) = &self.client else { return Ok(()) };
        let Login {
            user_id,
            user_sig,
            reply,
            ..
        } = login;
        let sdk = Arc::clone(self);
        let done: Completion = Box::new(move |outcome| {
            let result = Answer::from_outcome(&outcome, Empty::Nothing, |_| String::new());
            reply.call(result.code, &result.text, &result.json);
            sdk.login_ended(outcome.code);
        });
        client.login(&user_id, &user_sig, done)
    }

    /// The next one's turn; those that a logout or the end of the SDK made void have their result in theirs.
    fn login_ended(self: &Arc<Sdk>, mut ended_with: i32) {
        if matches!(ended_with, code::NO_CONNECTION | code::SERVER_NOT_TRUSTED) {
            self.try_server_in(RETRY, process());
        } else if ended_with > code::OK && self.network.is_connecting() {
            // It made no connection (7003), and what TIMInit had begun may have been passed over for it.
            self.try_server(process());
        }
        loop {
            let (reply, void) = {
                let mut logins = lock(&self.logins);
                let Some(next) = logins.waiting.pop_front() else {
                    logins.under_way = false;
                    return;
                };
                let reply = next.reply;
                let void = match ended_with {
                    code::SHUTDOWN | code::CLOSED => Answer::of(code::INTERRUPTED, Empty::Nothing),
                    _ if next.cancelled => Answer::of(code::LOGGED_OUT, Empty::Nothing),
                    // With the lock held: a logout finds it waiting or begun, and never in between.
                    _ => match self.begin_login(next) {
                        Ok(()) => return,
                        Err(error) => {
                            ended_with = error.code;
                            Answer::from_refusal(&error, Empty::Nothing)
                        }
                    },
                };
                (reply, void)
            };
            if process().thread.is_current() {
                // At once, so that it stands between the result of its predecessor and that of the logout.
                reply.call(void.code, &void.text, &void.json);
            } else {
                // No room: then there is no room for any callback.
                let _ = answer(reply, void);
            }
        }
    }
}

/// TIMLogout (R8.8). Nobody logged in is a success, as with the original.
pub fn logout(reply: Reply) -> Result<(), c_int> {
    let Some(sdk) = process().sdk() else {
        return answer(reply, Answer::of(code::NOT_INITIALIZED, Empty::Nothing));
    };
    let Ok(client) = &sdk.client else {
        return answer(reply, Answer::success(""));
    };
    let login_without_result = {
        let mut logins = lock(&sdk.logins);
        for login in &mut logins.waiting {
            login.cancelled = true;
        }
        logins.under_way
    };
    // A login that failed a moment ago has its result to come, and that comes before this one's: the client keeps the order.
    if !login_without_result && client.login_state() == LoginState::LoggedOut {
        return answer(reply, Answer::success(""));
    }
    let ended = Arc::clone(&sdk);
    let done: Completion = Box::new(move |outcome| {
        let result = match outcome.code {
            code::NOT_LOGGED_IN => Answer::success(""),
            _ => Answer::from_outcome(&outcome, Empty::Nothing, |_| String::new()),
        };
        reply.call(result.code, &result.text, &result.json);
        // The login that it ended made no connection, and says nothing more of the network.
        if outcome.code >= code::OK && ended.network.is_connecting() {
            ended.try_server(process());
        }
    });
    client
        .logout(done)
        .or_else(|error| answer(reply, Answer::from_refusal(&error, Empty::Nothing)))
}
