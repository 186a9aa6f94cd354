//! The real server killed (SIGKILL) again and again while users set their status as fast as they can: no version goes back,
//! nothing older than a second is lost, and the file is whole each time (every start checks all of it).
//!
//! `TIM_KILLS=1000` kills as often; `make kills` does.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use presence_protocol::message::{Request, UserStatus};

use crate::support::{Client, DEADLINE, Server};
use crate::{Place, Resume, await_push, kill, log_in};

const USERS: usize = 8;
const KILLS: u64 = 100;
/// What may be lost: facts younger than this.
const LOST_AT_MOST: Duration = Duration::from_secs(1);
/// Of so many lives one is longer than that.
const LONG_EVERY: u64 = 20;

/// What is known of a user.
#[derive(Default)]
struct Known {
    session: Option<presence::ids::SessionId>,
    /// The number in the custom status, when it was told. The first is what the server began with.
    told: Vec<(u64, Instant)>,
    /// The last that was asked for.
    asked: u64,
    version_max: u64,
}

impl Known {
    fn note(&mut self, change: &UserStatus, at: Instant) {
        self.version_max = self.version_max.max(change.version);
        self.told.push((number_of(change), at));
    }
}

fn number_of(change: &UserStatus) -> u64 {
    change.custom_status.parse().unwrap_or(0)
}

#[test]
fn a_server_killed_a_hundred_times_under_load_loses_at_most_a_second_and_no_version_goes_back() {
    let kills = std::env::var("TIM_KILLS").map_or(KILLS, |text| text.parse().expect("a number"));
    let seed = u64::from(std::process::id()) ^ now_ns();
    println!("seed {seed}");
    let mut random = seed;
    let place = Place::new("kills", "restart_grace_ms = 600000", "");
    let mut users: Vec<Known> = (0..USERS).map(|_| Known::default()).collect();
    for life in 0..kills {
        let server = place.start();
        let clients = come_back(&server, &mut users, life);
        let lasts = if life % LONG_EVERY == LONG_EVERY - 1 {
            LOST_AT_MOST + Duration::from_millis(next(&mut random) % 500)
        } else {
            Duration::from_millis(next(&mut random) % 80)
        };
        let stall = live(server, clients, &mut users, lasts, place.folder().as_path());
        // What is older than a second must be there next time; on a machine that stood still so long, more is not owed.
        let owed_before = Instant::now()
            .checked_sub(LOST_AT_MOST + stall)
            .expect("after the machine began");
        for user in &mut users {
            let owed = user.told.iter().rev().find(|(_, at)| *at <= owed_before).copied();
            // What the server began with came from the file, so it stays owed for ever.
            let begun = user.told.first().copied();
            user.told = owed.or(begun).into_iter().collect();
        }
    }
    assert!(
        users
            .iter()
            .all(|user| user.version_max > 0 && user.asked > kills)
    );
    println!("{} changes of the first user", users[0].asked);
}

/// All users log in again, and each finds what it is owed.
fn come_back(server: &Server, users: &mut [Known], life: u64) -> Vec<Client> {
    let mut clients = Vec::new();
    for (index, user) in users.iter_mut().enumerate() {
        let name = name(index);
        let resume = Resume {
            session: user.session,
            ..Resume::default()
        };
        let (mut client, login) = log_in(server, &name, resume);
        user.session = Some(login.session);
        let found = await_push(&mut client, &name);
        let number = number_of(&found);
        let owed = user.told.first().map_or(0, |(number, _)| *number);
        assert!(
            number >= owed,
            "life {life}, {name}: {number} came back, but {owed} was older than a second"
        );
        assert!(
            number <= user.asked,
            "life {life}, {name}: {number} came back, and {} is the last that was asked for",
            user.asked
        );
        assert!(
            found.version > user.version_max,
            "life {life}, {name}: version {} after {}",
            found.version,
            user.version_max
        );
        user.told.clear();
        user.note(&found, Instant::now());
        clients.push(client);
    }
    clients
}

/// Everybody sets its status until the server is killed, at least twice. How long the machine stood still meanwhile.
fn live(
    server: Server,
    clients: Vec<Client>,
    users: &mut [Known],
    lasts: Duration,
    folder: &Path,
) -> Duration {
    let stall_us = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let (stop, stopped) = channel::<()>();
        scope.spawn(|| {
            let stopped = stopped;
            probe(folder, &stopped, &stall_us);
        });
        let mut answers = Vec::new();
        for ((index, user), client) in users.iter_mut().enumerate().zip(clients) {
            let (answered, answer) = channel();
            answers.push(answer);
            scope.spawn(move || set_until_the_end(client, &name(index), user, &answered));
        }
        wait(lasts);
        for answer in answers.iter().flat_map(|answer| [answer; 2]) {
            answer.recv_timeout(DEADLINE).expect("an answer");
        }
        kill(server);
        drop::<Sender<()>>(stop);
    });
    Duration::from_micros(stall_us.load(Ordering::Relaxed))
}

fn set_until_the_end(mut client: Client, name: &str, user: &mut Known, answered: &Sender<()>) {
    loop {
        user.asked += 1;
        let custom_status = user.asked.to_string();
        let Some((reply, pushed)) = client.try_request(&Request::SetSelfStatus {
            custom_status: custom_status.clone(),
        }) else {
            return;
        };
        assert_eq!(reply.code, 0);
        // Nobody counts any more once the server is to be killed.
        let _ = answered.send(());
        let mut changes = pushed;
        while !changes.iter().any(|change| change.custom_status == custom_status) {
            match client.next() {
                Some(presence_protocol::message::ServerMessage::Push(more)) => changes = more,
                Some(_) => {}
                None => return,
            }
        }
        let at = Instant::now();
        for change in changes.iter().filter(|change| change.user_id == name) {
            user.note(change, at);
        }
    }
}

/// How long the machine takes for what the store does, at worst: a thread that is to run every few milliseconds and syncs
/// a small file.
fn probe(folder: &Path, stopped: &std::sync::mpsc::Receiver<()>, stall_us: &AtomicU64) {
    const PAUSE: Duration = Duration::from_millis(5);
    let path = folder.join("probe");
    let mut file = File::create(&path).expect("a file");
    loop {
        let begun = Instant::now();
        file.seek(SeekFrom::Start(0)).expect("a seek");
        file.write_all(&[7; 4096]).expect("written");
        file.sync_data().expect("synced");
        let ended = stopped.recv_timeout(PAUSE);
        let took = begun.elapsed().saturating_sub(PAUSE);
        // A commit is several such steps, after several threads got their turn.
        let stall = u64::try_from(took.as_micros() * 4).expect("short");
        stall_us.fetch_max(stall, Ordering::Relaxed);
        if ended == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}

/// The moment of the kill is what the test is about.
fn wait(time: Duration) {
    let (_never, nobody) = channel::<()>();
    assert_eq!(nobody.recv_timeout(time), Err(RecvTimeoutError::Timeout));
}

fn name(index: usize) -> String {
    format!("user-{index}")
}

fn now_ns() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(1, |since| u64::from(since.subsec_nanos()))
}

/// SplitMix64.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
