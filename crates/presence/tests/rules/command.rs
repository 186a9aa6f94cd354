//! Random commands: what people, links, backends and clocks do to a small world of two apps. They name devices by their
//! place in it; the driver resolves them to the [`Step`](crate::step::Step) that both sides carry out.

use std::time::Duration;

use presence::gates::Call;
use presence::ids::Platform;
use presence::login::Loss;
use presence::settings::{AppSettings, MultiLogin, Plan};
use proptest::prelude::*;

/// Apps of the world.
pub const APPS: usize = 2;
/// Names in it. The first three log in; `dora` is imported at most; nobody registers `ghost`; the last is ill-formed.
pub const NAMES: [&str; 6] = ["ann", "bob", "cy", "dora", "ghost", "no\u{7}bell"];
/// How many of them are well-formed.
pub const WELL_FORMED: usize = 5;
/// The devices that each of these people has.
pub const DEVICES: [(Platform, &str); 7] = [
    (Platform::Ios, "a"),
    (Platform::Web, "a"),
    (Platform::Ios, "b"),
    (Platform::Web, "b"),
    (Platform::Web, "c"),
    (Platform::Mac, "a"),
    (Platform::Ios, "c"),
];
/// Custom statuses: none, some, and some that are too long for a limit or hold U+0000.
pub const TEXTS: [&str; 6] = [
    "",
    "busy",
    "away",
    "at lunch with ö",
    "nul\0",
    "0123456789012345678901234567890123456789",
];

/// A device by its place.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub app: usize,
    pub person: usize,
    pub device: usize,
}

/// An account by its place; names beyond [`PEOPLE`] too.
#[derive(Debug, Clone, Copy)]
pub struct Account {
    pub app: usize,
    pub name: usize,
}

/// Which login a device says it continues (R8.3).
#[derive(Debug, Clone, Copy)]
pub enum Resume {
    /// None.
    No,
    /// The last it was told.
    Last,
    /// The one before.
    Earlier,
    /// One of another device of the account.
    Sibling(usize),
}

/// Whether an event comes from the device's present connection or from one before.
#[derive(Debug, Clone, Copy)]
pub enum From {
    Present,
    Past,
}

/// Who calls.
#[derive(Debug, Clone, Copy)]
pub enum Caller {
    /// A device, connected or not.
    At(Place),
    /// Whichever is connected, counted round.
    Connected(usize),
}

#[derive(Debug, Clone)]
pub enum Command {
    LogIn {
        place: Place,
        resume: Resume,
        signed_ago_s: i64,
    },
    Lose {
        place: Place,
        loss: Loss,
        from: From,
    },
    LogOut {
        place: Place,
        from: From,
    },
    LogOutLate {
        place: Place,
        resume: Resume,
        signed_ago_s: i64,
    },
    SetCustom {
        place: Place,
        text: usize,
        from: From,
    },
    /// The same call again and again, so many milliseconds apart.
    Call {
        caller: Caller,
        call: Call,
        names: Vec<usize>,
        times: usize,
        apart_ms: u64,
    },
    List {
        caller: Caller,
    },
    Restore {
        caller: Caller,
        names: Vec<usize>,
        generations_ago: u64,
    },
    Kick {
        account: Account,
    },
    Delete {
        account: Account,
    },
    Import {
        account: Account,
    },
    Befriend {
        account: Account,
        friends: Vec<usize>,
    },
    Flip {
        app: usize,
        flip: Flip,
    },
    Wait {
        ms: u64,
        attentive: bool,
    },
    WallJump {
        ms: i64,
    },
    Restart,
}

/// One setting gets a new value.
#[derive(Debug, Clone, Copy)]
pub enum Flip {
    Plan(Plan),
    UserStatus(bool),
    FriendStatusNotify(bool),
    MultiLogin(MultiLogin),
    WebDevices(usize),
    CustomBytes(usize),
    QueryBatch(usize),
    SubscribeBatch(usize),
    Subscriptions(usize),
    RateCalls(usize),
    RateWindow(Duration),
    Retention(Duration),
    Grace(Duration),
    Linger(Duration),
}

impl Flip {
    pub fn apply(self, settings: &mut AppSettings) {
        match self {
            Flip::Plan(plan) => settings.plan = plan,
            Flip::UserStatus(on) => settings.user_status = on,
            Flip::FriendStatusNotify(on) => settings.friend_status_notify = on,
            Flip::MultiLogin(rule) => settings.multi_login = rule,
            Flip::WebDevices(max) => settings.web_devices_max = max,
            Flip::CustomBytes(max) => settings.custom_status_bytes_max = max,
            Flip::QueryBatch(max) => settings.query_batch_max = max,
            Flip::SubscribeBatch(max) => settings.subscribe_batch_max = max,
            Flip::Subscriptions(max) => settings.subscriptions_max = max,
            Flip::RateCalls(calls) => settings.rate_calls = calls,
            Flip::RateWindow(window) => settings.rate_window = window,
            Flip::Retention(time) => settings.lost_device_retention = time,
            Flip::Grace(time) => settings.offline_grace = time,
            Flip::Linger(time) => settings.subscription_linger = time,
        }
    }
}

/// A story: settings that differ from the defaults from the start, and what happens. Most begin with some accounts.
pub fn stories() -> impl Strategy<Value = (Vec<(usize, Flip)>, Vec<Command>)> {
    let imports = (0..4_usize).prop_map(|name| Command::Import {
        account: Account { app: 0, name },
    });
    let beginning = prop::collection::vec(imports, 0..4);
    let rest = prop::collection::vec(commands(), 1..100);
    let commands = (beginning, rest).prop_map(|(mut commands, rest)| {
        commands.extend(rest);
        commands
    });
    (prop::collection::vec((0..APPS, flips()), 0..5), commands)
}

fn commands() -> impl Strategy<Value = Command> {
    prop_oneof![
        20 => (places(), resumes(), prop_oneof![4 => Just(0), 1 => -2..4_i64])
            .prop_map(|(place, resume, signed_ago_s)| Command::LogIn { place, resume, signed_ago_s }),
        10 => (places(), losses(), froms()).prop_map(|(place, loss, from)| Command::Lose { place, loss, from }),
        5 => (places(), froms()).prop_map(|(place, from)| Command::LogOut { place, from }),
        3 => (places(), resumes(), prop_oneof![6 => Just(0), 1 => -2..4_i64])
            .prop_map(|(place, resume, signed_ago_s)| Command::LogOutLate { place, resume, signed_ago_s }),
        8 => (places(), 0..TEXTS.len(), froms())
            .prop_map(|(place, text, from)| Command::SetCustom { place, text, from }),
        20 => (callers(), calls(), names(), prop_oneof![6 => Just(1), 1 => 2..25_usize], 0..400_u64)
            .prop_map(|(caller, call, names, times, apart_ms)| Command::Call { caller, call, names, times, apart_ms }),
        1 => callers().prop_map(|caller| Command::List { caller }),
        3 => (callers(), names(), prop_oneof![5 => Just(0), 1 => Just(1)])
            .prop_map(|(caller, names, generations_ago)| Command::Restore { caller, names, generations_ago }),
        3 => accounts().prop_map(|account| Command::Kick { account }),
        1 => accounts().prop_map(|account| Command::Delete { account }),
        2 => accounts().prop_map(|account| Command::Import { account }),
        2 => (accounts(), names()).prop_map(|(account, friends)| Command::Befriend { account, friends }),
        5 => (0..APPS, flips()).prop_map(|(app, flip)| Command::Flip { app, flip }),
        12 => (waits(), prop::bool::weighted(0.8))
            .prop_map(|(ms, attentive)| Command::Wait { ms, attentive }),
        1 => (-20_000..20_000_i64).prop_map(|ms| Command::WallJump { ms }),
        1 => Just(Command::Restart),
    ]
}

fn places() -> impl Strategy<Value = Place> {
    let people = prop_oneof![4 => Just(0_usize), 2 => Just(1), 1 => Just(2)];
    let devices = prop_oneof![1 => 0..2_usize, 1 => 0..DEVICES.len()];
    (apps(), people, devices).prop_map(|(app, person, device)| Place { app, person, device })
}

fn callers() -> impl Strategy<Value = Caller> {
    prop_oneof![1 => places().prop_map(Caller::At), 5 => (0..100_usize).prop_map(Caller::Connected)]
}

fn accounts() -> impl Strategy<Value = Account> {
    (apps(), 0..4_usize).prop_map(|(app, name)| Account { app, name })
}

fn apps() -> impl Strategy<Value = usize> {
    prop_oneof![5 => Just(0_usize), 1 => Just(1)]
}

/// Names of a call; now and then as many different ones as no limit allows.
fn names() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        20 => prop::collection::vec(prop_oneof![4 => 0..4_usize, 1 => 0..NAMES.len()], 0..6),
        1 => prop_oneof![Just(99_usize), Just(100), Just(101), Just(500), Just(501)]
            .prop_map(|count| (0..count).map(|index| index + WELL_FORMED).collect()),
    ]
}

fn resumes() -> impl Strategy<Value = Resume> {
    prop_oneof![
        5 => Just(Resume::No),
        5 => Just(Resume::Last),
        1 => Just(Resume::Earlier),
        1 => (0..DEVICES.len()).prop_map(Resume::Sibling),
    ]
}

fn froms() -> impl Strategy<Value = From> {
    prop_oneof![5 => Just(From::Present), 1 => Just(From::Past)]
}

fn losses() -> impl Strategy<Value = Loss> {
    prop_oneof![
        3 => Just(Loss::LinkClosed),
        2 => Just(Loss::Timeout),
        1 => Just(Loss::Expired),
        1 => Just(Loss::SlowReceiver),
    ]
}

fn calls() -> impl Strategy<Value = Call> {
    prop_oneof![2 => Just(Call::Query), 3 => Just(Call::Subscribe), 2 => Just(Call::Unsubscribe)]
}

/// Around the lengths that matter: a window, a grace, a linger, a retention.
fn waits() -> impl Strategy<Value = u64> {
    const LENGTHS: [u64; 8] = [
        1,
        1_000,
        3_000,
        5_000,
        10_000,
        30_000,
        300_000,
        7 * 24 * 3_600_000,
    ];
    prop_oneof![
        1 => 0..1_000_u64,
        4 => (prop::sample::select(&LENGTHS[..]), 0..3_u64).prop_map(|(ms, around)| ms - 1 + around),
    ]
}

fn flips() -> impl Strategy<Value = Flip> {
    let seconds = Duration::from_secs;
    prop_oneof![
        prop_oneof![Just(Plan::Basic), Just(Plan::Ultimate)].prop_map(Flip::Plan),
        any::<bool>().prop_map(Flip::UserStatus),
        any::<bool>().prop_map(Flip::FriendStatusNotify),
        prop_oneof![
            Just(MultiLogin::PerPlatform),
            Just(MultiLogin::Single),
            Just(MultiLogin::Unlimited)
        ]
        .prop_map(Flip::MultiLogin),
        prop::sample::select(&[0, 1, 2, 10][..]).prop_map(Flip::WebDevices),
        prop::sample::select(&[4, 16, 100][..]).prop_map(Flip::CustomBytes),
        prop::sample::select(&[2, 3, 500][..]).prop_map(Flip::QueryBatch),
        prop::sample::select(&[1, 3, 100][..]).prop_map(Flip::SubscribeBatch),
        prop::sample::select(&[0, 1, 2, 3, 200][..]).prop_map(Flip::Subscriptions),
        prop::sample::select(&[0, 1, 2, 20][..]).prop_map(Flip::RateCalls),
        prop::sample::select(&[1, 5][..]).prop_map(move |s| Flip::RateWindow(seconds(s))),
        prop::sample::select(&[10, 7 * 24 * 3600][..]).prop_map(move |s| Flip::Retention(seconds(s))),
        prop::sample::select(&[0, 3, 30][..]).prop_map(move |s| Flip::Grace(seconds(s))),
        prop::sample::select(&[0, 5, 300][..]).prop_map(move |s| Flip::Linger(seconds(s))),
    ]
}
