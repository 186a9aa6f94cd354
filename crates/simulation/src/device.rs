//! A client's host: the real client with poll delivery, and an application that makes the calls it finds in its mailbox
//! and reports everything it is told.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use presence_client::{Client, Completion, Listener, Outcome};
use presence_protocol::errors::code;
use tokio::sync::Notify;

use crate::checker::{CallId, Invariant, brief};
use crate::network::DeviceWorld;
use crate::random::Random;
use crate::runner::{Plant, World, locked};
use crate::scenario::{Call, DeviceIndex};

/// What the runner and the application of one device share.
pub struct Desk {
    /// Which device.
    pub index: DeviceIndex,
    world: Arc<World>,
    data_dir: Option<PathBuf>,
    mailbox: Mutex<VecDeque<Errand>>,
    bell: Arc<Notify>,
    /// The process is being killed: what is dropped now needs no result.
    killed: AtomicBool,
    incarnation: AtomicU64,
    client: Mutex<Option<Client>>,
}

/// Something for the application to do.
enum Errand {
    Call(Call),
    /// A question of the runner's own, in a calm moment.
    Ask(Call, Arc<Mutex<Option<Outcome>>>),
}

impl Desk {
    /// Nobody works there yet.
    #[must_use]
    pub fn new(index: DeviceIndex, world: Arc<World>, data_dir: Option<PathBuf>) -> Arc<Desk> {
        Arc::new(Desk {
            index,
            world,
            data_dir,
            mailbox: Mutex::default(),
            bell: Arc::default(),
            killed: AtomicBool::new(false),
            incarnation: AtomicU64::new(0),
            client: Mutex::new(None),
        })
    }

    /// Has the application make a call.
    pub fn call(&self, call: Call) {
        locked(&self.mailbox).push_back(Errand::Call(call));
        self.bell.notify_one();
    }

    /// Has the application ask; the answer comes to the place that is handed back.
    pub fn ask(&self, call: Call) -> Arc<Mutex<Option<Outcome>>> {
        let answer = Arc::default();
        locked(&self.mailbox).push_back(Errand::Ask(call, Arc::clone(&answer)));
        self.bell.notify_one();
        answer
    }

    /// The process is about to be killed.
    pub fn kill(&self) {
        self.killed.store(true, Ordering::Relaxed);
        locked(&self.mailbox).clear();
        *locked(&self.client) = None;
    }

    /// The client, while it runs.
    pub fn client(&self) -> Option<Client> {
        locked(&self.client).clone()
    }

    fn note(&self, what: std::fmt::Arguments<'_>) {
        locked(&self.world.journal).note(format_args!("d{}: {what}", self.index));
    }

    fn now_ms(&self) -> u64 {
        locked(&self.world.journal).now_ms()
    }

    /// The life of one process.
    pub async fn run(self: Arc<Self>) -> turmoil::Result {
        self.killed.store(false, Ordering::Relaxed);
        let mut client = self.open()?;
        loop {
            let errand = locked(&self.mailbox).pop_front();
            match errand {
                Some(Errand::Call(call)) => self.make(&client, call),
                Some(Errand::Ask(call, answer)) => self.put(&client, call, answer),
                None => {}
            }
            match client.poll(64, Duration::ZERO) {
                Ok(0) if locked(&self.mailbox).is_empty() => self.bell.notified().await,
                Ok(_) => {}
                Err(error) if error.code == code::CLOSED => {
                    *locked(&self.client) = None;
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
            if self.world.plant == Some(Plant::ForgetfulClient) {
                self.forget(&mut client)?;
            }
        }
    }

    fn open(self: &Arc<Self>) -> Result<Client, presence_client::CallError> {
        let incarnation = self.incarnation.fetch_add(1, Ordering::Relaxed);
        let purpose = format!("device {} {incarnation}", self.index);
        let scenario = &self.world.scenario;
        let world = DeviceWorld {
            device: self.index,
            connections: Arc::clone(&self.world.connections),
            write_bytes_max: scenario.write_bytes_max,
            steals_frames: self.world.plant == Some(Plant::LostNotification),
            random: Mutex::new(Random::new(scenario.seed, &purpose)),
            origin: tokio::time::Instant::now(),
        };
        let options = scenario.client_options(self.index, self.data_dir.clone());
        let client = Client::create_in(Arc::new(world), options)?;
        let bell = Arc::clone(&self.bell);
        client.set_wake_callback(Some(Box::new(move || bell.notify_one())))?;
        self.listen(&client)?;
        *locked(&self.client) = Some(client.clone());
        Ok(client)
    }

    fn listen(self: &Arc<Self>, client: &Client) -> Result<(), presence_client::CallError> {
        let desk = Arc::clone(self);
        client.set_listener(Listener::StatusChanged(Box::new(move |changes| {
            let all: Vec<String> = changes.iter().map(brief).collect();
            desk.note(format_args!("told {}", all.join(", ")));
            let at_ms = desk.now_ms();
            locked(&desk.world.checker).told(desk.index, changes, at_ms);
        })))?;
        let desk = Arc::clone(self);
        client.set_listener(Listener::ConnectionState(Box::new(move |state, code, text| {
            desk.note(format_args!("{state:?} {code} {text}"));
            locked(&desk.world.checker).connection(desk.index, state);
        })))?;
        let desk = Arc::clone(self);
        client.set_listener(Listener::KickedOffline(Box::new(move |code, text| {
            desk.note(format_args!("kicked: {code} {text}"));
            let at_ms = desk.now_ms();
            locked(&desk.world.checker).ended(desk.index, at_ms);
        })))?;
        let desk = Arc::clone(self);
        client.set_listener(Listener::UserSigExpired(Box::new(move || {
            desk.note(format_args!("its UserSig expired"));
            let at_ms = desk.now_ms();
            locked(&desk.world.checker).ended(desk.index, at_ms);
        })))?;
        let desk = Arc::clone(self);
        client.set_listener(Listener::SubscriptionsEvicted(Box::new(move |ids| {
            desk.note(format_args!("evicted {ids:?}"));
        })))
    }

    /// Makes a call of the scenario.
    fn make(self: &Arc<Self>, client: &Client, call: Call) {
        self.note(format_args!("calls {call:?}"));
        let made = match &call {
            Call::NetworkChanged => client.network_changed(),
            Call::Destroy => {
                let desk = Arc::clone(self);
                client.destroy_async(Box::new(move || {
                    desk.note(format_args!("closed"));
                    let at_ms = desk.now_ms();
                    locked(&desk.world.checker).destroyed(desk.index, at_ms);
                }))
            }
            _ => {
                let at_ms = self.now_ms();
                let id = locked(&self.world.checker).calling(self.index, &call, at_ms);
                let receipt = Receipt::new(Arc::clone(self), id);
                let done: Completion = Box::new(move |outcome| receipt.sign(&outcome));
                let made = self.world.send(client, &call, done);
                if made.is_err() {
                    locked(&self.world.checker).refused(self.index, id);
                }
                made
            }
        };
        if let Err(error) = made {
            let at_ms = self.now_ms();
            let what = format!("d{}: {call:?} was refused: {error}", self.index);
            self.note(format_args!("{what}"));
            locked(&self.world.checker).violated(Invariant::Soundness, at_ms, what);
        }
    }

    /// Puts a question of the runner's.
    fn put(&self, client: &Client, call: Call, answer: Arc<Mutex<Option<Outcome>>>) {
        let done: Completion = Box::new(move |outcome| *locked(&answer) = Some(outcome));
        if let Err(error) = self.world.send(client, &call, done) {
            self.note(format_args!("a question was refused: {error}"));
        }
    }

    /// A planted bug: a library that begins anew after each loss of its connection, and hides it from the application.
    fn forget(self: &Arc<Self>, client: &mut Client) -> Result<(), presence_client::CallError> {
        let is_lost = locked(&self.world.checker).take_lost_session(self.index);
        let Some(user) = is_lost else { return Ok(()) };
        *client = self.open()?;
        let call = Call::Login {
            user,
            valid_s: 10_000,
        };
        self.world.send(client, &call, Box::new(|_| ()))
    }
}

/// Sees to it that a call has exactly one result.
struct Receipt {
    desk: Arc<Desk>,
    id: CallId,
    is_signed: bool,
}

impl Receipt {
    fn new(desk: Arc<Desk>, id: CallId) -> Receipt {
        Receipt {
            desk,
            id,
            is_signed: false,
        }
    }

    fn sign(mut self, outcome: &Outcome) {
        self.is_signed = true;
        let all: Vec<String> = outcome.users.iter().map(brief).collect();
        self.desk.note(format_args!(
            "call {} has its result: {} [{}] {:?}",
            self.id,
            outcome.code,
            all.join(", "),
            outcome.evicted
        ));
        let at_ms = self.desk.now_ms();
        locked(&self.desk.world.checker).result(self.desk.index, self.id, outcome, at_ms);
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if !self.is_signed && !self.desk.killed.load(Ordering::Relaxed) {
            let at_ms = self.desk.now_ms();
            locked(&self.desk.world.checker).result_lost(self.desk.index, self.id, at_ms);
        }
    }
}
