//! The client against a real node over TCP on the loopback.

mod middle;

use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, SystemTime};

use middle::Proxy;
use presence::ids::{AppId, UserId, UserKey};
use presence::settings::AppSettings;
use presence_client::{Client, Completion, ConnectionState, Listener, Outcome};
use presence_node::{AppConfig, Node, NodeConfig};
use presence_protocol::errors::code;
use presence_protocol::message::UserStatus;
use presence_protocol::user_sig;

const PATIENCE: Duration = Duration::from_secs(60);
const KEY: &str = "a key of this test";

fn app() -> AppId {
    AppId::new(7).unwrap()
}

struct Server {
    node: Option<Node>,
    address: std::net::SocketAddr,
}

impl Server {
    fn start() -> Server {
        let config = NodeConfig {
            listen: vec![([127, 0, 0, 1], 0).into()],
            loops: 2,
            ..NodeConfig::default()
        };
        let settings = AppSettings {
            auto_register_on_mention: true,
            subscription_linger: Duration::ZERO,
            ..AppSettings::default()
        };
        let apps = vec![AppConfig {
            id: app(),
            secret_key: KEY.into(),
            settings,
            accounts: Vec::new(),
            friends: Default::default(),
        }];
        let node = Node::start(config, apps).unwrap();
        let address = node.addresses()[0];
        Server {
            node: Some(node),
            address,
        }
    }

    fn kick(&self, user: &str) {
        let key = UserKey {
            app: app(),
            user: UserId::new(user).unwrap(),
        };
        self.node.as_ref().unwrap().admin().kick(key);
    }

    fn stop(&mut self) {
        if let Some(node) = self.node.take() {
            node.stop(PATIENCE).unwrap();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

#[derive(Debug, PartialEq)]
enum Told {
    Status(UserStatus),
    Connection(ConnectionState),
    Kicked(i32),
}

struct User {
    client: Client,
    tell: Sender<Told>,
    told: Receiver<Told>,
}

impl User {
    fn online(server: &Server, name: &str, more: &str) -> User {
        let options = format!(
            r#"{{"server":"tim://{}","sdk_app_id":7,"backoff_base_ms":20,"backoff_max_ms":100{more}}}"#,
            server.address
        );
        let client = Client::create(&options).unwrap();
        let (tell, told) = mpsc::channel();
        let user = User { client, tell, told };
        let tell = user.tell.clone();
        user.client
            .set_listener(Listener::StatusChanged(Box::new(move |changes| {
                for change in changes {
                    let _ = tell.send(Told::Status(change.clone()));
                }
            })))
            .unwrap();
        let tell = user.tell.clone();
        user.client
            .set_listener(Listener::ConnectionState(Box::new(move |state, _, _| {
                let _ = tell.send(Told::Connection(state));
            })))
            .unwrap();
        let tell = user.tell.clone();
        user.client
            .set_listener(Listener::KickedOffline(Box::new(move |code, _| {
                let _ = tell.send(Told::Kicked(code));
            })))
            .unwrap();
        let now_s = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let sig = user_sig::sign(app(), KEY, name, now_s as i64, 3_600);
        assert_eq!(
            user.call(|client, done| client.login(name, &sig, done)).code,
            code::OK
        );
        user.until(|told| matches!(told, Told::Status(status) if status.user_id == name));
        user
    }

    fn call(
        &self,
        call: impl FnOnce(&Client, Completion) -> Result<(), presence_client::CallError>,
    ) -> Outcome {
        let (tell, told) = mpsc::channel();
        call(&self.client, Box::new(move |outcome| tell.send(outcome).unwrap())).unwrap();
        told.recv_timeout(PATIENCE).expect("a result comes")
    }

    fn until(&self, expected: impl Fn(&Told) -> bool) -> Told {
        loop {
            let told = self.told.recv_timeout(PATIENCE).expect("it is told");
            if expected(&told) {
                return told;
            }
        }
    }

    fn until_status(&self, user: &str, status: i32, custom: &str) -> UserStatus {
        let told = self.until(|told| {
            matches!(told, Told::Status(told)
                if told.user_id == user && told.status == status && told.custom_status == custom)
        });
        match told {
            Told::Status(status) => status,
            other => panic!("{other:?}"),
        }
    }
}

const ONLINE: i32 = 1;
const OFFLINE: i32 = 2;
const UNLOGINED: i32 = 3;

#[test]
fn a_watcher_sees_a_user_come_speak_log_out_and_get_lost() {
    for delivery in [r#","delivery":"thread""#, r#","delivery":"shared""#] {
        let server = Server::start();
        let alice = User::online(&server, "alice", delivery);
        let subscribed = alice.call(|client, done| client.subscribe(vec!["bob".into()], done));
        assert_eq!(
            (subscribed.code, subscribed.users[0].status),
            (code::OK, UNLOGINED),
            "R5.6"
        );

        let bob = User::online(&server, "bob", delivery);
        alice.until_status("bob", ONLINE, "");
        assert_eq!(
            bob.call(|client, done| client.set_self_status("in a call", done))
                .code,
            code::OK
        );
        alice.until_status("bob", ONLINE, "in a call");
        bob.until_status("bob", ONLINE, "in a call");
        let asked =
            alice.call(|client, done| client.get_user_status(vec!["bob".into(), "alice".into()], done));
        assert_eq!(asked.users[0].custom_status, "in a call", "R4");
        assert_eq!(bob.call(|client, done| client.logout(done)).code, code::OK);
        assert_eq!(alice.until_status("bob", UNLOGINED, "").reason, 2, "R2.3");

        let carol = User::online(&server, "carol", delivery);
        assert_eq!(
            alice
                .call(|client, done| client.subscribe(vec!["carol".into()], done))
                .code,
            code::OK
        );
        carol.client.destroy(PATIENCE).unwrap();
        assert_eq!(alice.until_status("carol", OFFLINE, "").reason, 3, "R2.2");
        let list = alice.call(|client, done| client.get_subscriptions(done));
        let ids: Vec<&str> = list.users.iter().map(|user| user.user_id.as_str()).collect();
        assert_eq!(ids, ["bob", "carol"], "R5.9");
        for user in [alice, bob] {
            user.client.destroy(PATIENCE).unwrap();
        }
    }
}

/// R8.8: from the file that a run left to what a watcher is told.
#[test]
fn a_logout_that_another_run_left_unsaid_shows_a_watcher_no_online() {
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let data_dir = format!(r#","data_dir":{:?}"#, folder.path());
    let bob = User::online(&server, "bob", &data_dir);
    let alice = User::online(&server, "alice", "");
    let subscribed = alice.call(|client, done| client.subscribe(vec!["bob".into()], done));
    assert_eq!(subscribed.users[0].status, ONLINE);
    bob.client.destroy(PATIENCE).unwrap();
    let lost = alice.until_status("bob", OFFLINE, "");

    let now_s = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let sig = user_sig::sign(app(), KEY, "bob", now_s.as_secs() as i64, 3_600);
    // The session 0 is whichever the device has.
    let unsaid = format!(
        r#"{{"version":2,"logouts":[{{"sdk_app_id":7,"user_id":"bob","user_sig":"{sig}","session":0}}]}}"#
    );
    std::fs::write(folder.path().join("logout"), unsaid).unwrap();
    let options = format!(
        r#"{{"server":"tim://{}","sdk_app_id":7{data_dir}}}"#,
        server.address
    );
    let next_run = Client::create(&options).unwrap();
    match alice.until(|told| matches!(told, Told::Status(status) if status.user_id == "bob")) {
        Told::Status(said) => {
            let shown = (said.status, said.reason, said.version == lost.version + 1);
            assert_eq!(shown, (UNLOGINED, 2, true), "the very next change: {said:?}");
        }
        other => panic!("{other:?}"),
    }
    next_run.destroy(PATIENCE).unwrap();
    alice.client.destroy(PATIENCE).unwrap();
}

#[test]
fn the_servers_refusals_arrive_as_results() {
    let server = Server::start();
    let alice = User::online(&server, "alice", "");
    let set = |text: &str| alice.call(|client, done| client.set_self_status(text, done)).code;
    assert_eq!(set(&"x".repeat(101)), code::INVALID_PARAMETERS, "R3.1");
    let ask = |ids: Vec<String>| alice.call(|client, done| client.get_user_status(ids, done)).code;
    assert_eq!(ask(Vec::new()), code::INVALID_PARAMETERS, "R4.1");
    assert_eq!(
        ask((0..501).map(|number| format!("u{number}")).collect()),
        code::INVALID_PARAMETERS,
        "R4.1"
    );
    let oneself = alice.call(|client, done| client.subscribe(vec!["alice".into()], done));
    assert_eq!(oneself.code, code::INVALID_PARAMETERS, "R5.4");
    let other = alice
        .call(|client, done| client.login("alice", "whatever", done))
        .code;
    assert_eq!(other, code::OK, "R8.2");
    alice.client.destroy(PATIENCE).unwrap();
}

#[test]
fn a_kick_by_the_backend_reaches_the_application() {
    let server = Server::start();
    let alice = User::online(&server, "alice", "");
    server.kick("alice");
    alice.until(|told| *told == Told::Kicked(code::USER_SIG_REVOKED));
    alice.client.destroy(PATIENCE).unwrap();
}

#[test]
fn a_second_device_of_the_same_platform_takes_the_place_of_the_first() {
    let server = Server::start();
    let first = User::online(&server, "alice", "");
    let second = User::online(&server, "alice", "");
    first.until(|told| *told == Told::Kicked(code::KICKED_OFFLINE));
    for user in [first, second] {
        user.client.destroy(PATIENCE).unwrap();
    }
}

#[test]
fn a_server_that_comes_back_without_its_memory_finds_the_clients_and_their_lists_again() {
    let mut server = Server::start();
    // Clients find the next one where the first was, though that port may be somebody else's by then.
    let proxy = Proxy::start(server.address);
    server.address = proxy.address();
    let alice = User::online(&server, "alice", "");
    let bob = User::online(&server, "bob", "");
    assert_eq!(
        alice
            .call(|client, done| client.subscribe(vec!["bob".into()], done))
            .code,
        code::OK
    );
    assert_eq!(
        bob.call(|client, done| client.set_self_status("one", done)).code,
        code::OK
    );
    let before = alice.until_status("bob", ONLINE, "one");

    server.stop();
    for user in [&alice, &bob] {
        user.until(|told| *told == Told::Connection(ConnectionState::Disconnected));
    }
    let next = Server::start();
    proxy.redirect(next.address);
    for user in [&alice, &bob] {
        user.until(|told| *told == Told::Connection(ConnectionState::Connected));
    }
    assert_eq!(
        bob.call(|client, done| client.set_self_status("two", done)).code,
        code::OK
    );
    let after = alice.until_status("bob", ONLINE, "two");
    assert!(after.version > before.version, "R6.5");
    let list = alice.call(|client, done| client.get_subscriptions(done));
    assert_eq!(list.users.len(), 1, "R5.8");
    for user in [alice, bob] {
        user.client.destroy(PATIENCE).unwrap();
    }
}
