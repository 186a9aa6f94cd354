//! Administration over HTTP against the real program: each rule that a backend can set in motion, seen by clients.

mod friends;
mod gates;
mod http;
mod slow;
mod strict;
#[path = "../support/mod.rs"]
#[allow(dead_code)] // each test program uses a part of it
mod support;
mod tls;
mod v1;
mod v4;

use std::time::{SystemTime, UNIX_EPOCH};

use presence::ids::AppId;
use presence_protocol::message::{Reply, Request, ServerMessage, UserStatus};
use presence_protocol::user_sig;

use http::{Admin, Answer};
use support::{Client, KEY, Server, TempFile};

const APP: u64 = 1_400_000_001;
const OTHER_APP: u64 = 1_400_000_002;
const OTHER_KEY: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";

/// A server with the accounts alice and bob and an administrator, boss, in one app, and the administrator chief in
/// another.
struct World {
    server: Server,
    admin: Admin,
    file: TempFile,
}

impl World {
    fn new(name: &str) -> World {
        World::with(name, "", "")
    }

    /// With more settings at the top of the file and in the app.
    fn with(name: &str, top: &str, app: &str) -> World {
        let file = TempFile::new(name, &configuration(top, app));
        let (server, admin) = World::start(&file);
        World { server, admin, file }
    }

    fn start(file: &TempFile) -> (Server, Admin) {
        let mut server = Server::start(&["--config", &file.path()]);
        let line = server.stdout_line();
        let address = line
            .strip_prefix("administration at http://")
            .expect("its address");
        let admin = Admin {
            address: address.parse().expect("IP:PORT"),
            app: APP.to_string(),
            user: "boss".to_owned(),
            user_sig: signed("boss"),
        };
        (server, admin)
    }

    /// Stops the server in order and starts it again with the same file.
    fn restart(&mut self) {
        self.server.signal(libc::SIGTERM);
        let (status, _) = self.server.await_end();
        assert!(status.success(), "{:#?}", self.server.log);
        (self.server, self.admin) = World::start(&self.file);
    }

    /// A device of `user`, logged in.
    fn online(&self, user: &str) -> Client {
        let mut client = Client::connect(self.server.address);
        let reply = client.login(APP, user, &signed(user));
        assert_eq!(reply.code, 0, "{}", reply.message);
        client
    }

    /// Carries out a command of `/v4`, which must succeed.
    fn v4(&self, command: &str, body: &str) -> serde_json::Value {
        let answer = self.admin.v4(command, body);
        assert_eq!(answer.body["ErrorCode"], 0, "{command}: {}", answer.body);
        assert_eq!(answer.body["ActionStatus"], "OK");
        answer.body
    }

    /// The code with which a command of `/v4` fails.
    fn v4_code(&self, command: &str, body: &str) -> i64 {
        let Answer { status, body, .. } = self.admin.v4(command, body);
        assert_eq!(
            (status, &body["ActionStatus"]),
            (200, &"FAIL".into()),
            "{command}: {body}"
        );
        assert!(
            body["ErrorInfo"].as_str().is_some_and(|info| !info.is_empty()),
            "{body}"
        );
        body["ErrorCode"].as_i64().expect("a number")
    }
}

fn configuration(top: &str, app: &str) -> String {
    format!(
        "listen = [\"127.0.0.1:0\"]\nadmin_listen = \"127.0.0.1:0\"\n{top}\n\
         [[apps]]\nid = {APP}\nsecret_key = \"{KEY}\"\naccounts = [\"alice\", \"bob\"]\nadministrators = [\"boss\"]\n{app}\n\
         [[apps]]\nid = {OTHER_APP}\nsecret_key = \"{OTHER_KEY}\"\nadministrators = [\"chief\"]\n"
    )
}

fn now_s() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_secs()).expect("before the year 300 000 000 000")
}

/// A UserSig of the first app.
fn signed(user: &str) -> String {
    signed_at(user, now_s())
}

fn signed_at(user: &str, at_s: i64) -> String {
    user_sig::sign(AppId::new(APP).expect("above 0"), KEY, user, at_s, 3600)
}

fn names(users: &[&str]) -> Vec<String> {
    users.iter().map(|user| (*user).to_owned()).collect()
}

fn subscribe(client: &mut Client, users: &[&str]) -> Reply {
    let user_ids = names(users);
    client.request(&Request::Subscribe { user_ids })
}

fn query(client: &mut Client, users: &[&str]) -> Reply {
    let user_ids = names(users);
    client.request(&Request::GetUserStatus { user_ids })
}

fn set_custom(client: &mut Client, text: &str) {
    let custom_status = text.to_owned();
    assert_eq!(client.request(&Request::SetSelfStatus { custom_status }).code, 0);
}

/// Waits until the client is told of `user`.
fn await_push(client: &mut Client, user: &str) -> UserStatus {
    loop {
        match client.next() {
            Some(ServerMessage::Push(users)) => {
                if let Some(status) = users.into_iter().find(|status| status.user_id == user) {
                    return status;
                }
            }
            Some(_) => {}
            None => panic!("closed before it was told of {user}"),
        }
    }
}

/// Waits for the end of the session; its code.
fn await_ended(client: &mut Client) -> i32 {
    loop {
        match client.next() {
            Some(ServerMessage::SessionEnded { code, .. }) => return code,
            Some(_) => {}
            None => panic!("closed without a word"),
        }
    }
}
