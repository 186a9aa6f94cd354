//! The store against the real program: what users see across restarts, orderly and not; files that are refused; backups.

mod files;
#[path = "../rest/http.rs"]
#[allow(dead_code)] // a part of it is enough here
mod http;
mod kills;
mod restarts;
#[path = "../support/mod.rs"]
#[allow(dead_code)] // each test program uses a part of it
mod support;

use std::path::PathBuf;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use presence::ids::{AppId, SessionId};
use presence::status::Version;
use presence_protocol::message::{
    KnownUser, LoginReply, LoginRequest, Reply, Request, ServerMessage, UserStatus,
};
use presence_protocol::user_sig;

use support::{Client, DEADLINE, KEY, Server, TempFile, run};

const APP: u64 = 1_400_000_001;

/// One server after the other on one data directory.
struct Place {
    file: TempFile,
}

impl Place {
    /// `top`: more settings of the server; `app`: of the app.
    fn new(name: &str, top: &str, app: &str) -> Place {
        let place = Place {
            file: TempFile::new(&format!("store-{name}"), ""),
        };
        place.configure(top, app);
        place
    }

    fn configure(&self, top: &str, app: &str) {
        self.file.write(&format!(
            "listen = [\"127.0.0.1:0\"]\ndata_dir = \"data\"\nloops = 2\n{top}\n[[apps]]\nid = {APP}\nsecret_key = \"{KEY}\"\n{app}\n"
        ));
    }

    fn start(&self) -> Server {
        Server::start(&["--config", &self.file.path()])
    }

    /// Waits until the running server has committed a record that holds this text: as its backups show.
    fn await_kept(&self, text: &str) {
        let target = self.folder().with_file_name("await_kept");
        let begun = Instant::now();
        loop {
            let name = target.to_str().expect("UTF-8");
            let output = run(&["backup", name, "--config", &self.file.path()]);
            assert!(output.status.success(), "{output:?}");
            let backup = std::fs::read(&target).expect("a backup");
            if backup.windows(text.len()).any(|window| window == text.as_bytes()) {
                return;
            }
            assert!(begun.elapsed() < DEADLINE, "{text:?} was not kept");
        }
    }

    fn folder(&self) -> PathBuf {
        PathBuf::from(self.file.path()).with_file_name("data")
    }

    fn database(&self) -> PathBuf {
        self.folder().join("presence.redb")
    }
}

/// Ends it in order.
fn stop(mut server: Server) {
    server.signal(libc::SIGTERM);
    let (status, _) = server.await_end();
    assert_eq!(status.code(), Some(0), "{:#?}", server.log);
}

/// kill -9.
fn kill(mut server: Server) {
    server.signal(libc::SIGKILL);
    server.await_end();
}

fn now_s() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_secs()).expect("before the year 300 000 000 000")
}

fn signed(user: &str) -> String {
    user_sig::sign(AppId::new(APP).expect("above 0"), KEY, user, now_s(), 3600)
}

/// What a client brings with a login that continues another.
#[derive(Default)]
struct Resume {
    session: Option<SessionId>,
    list_generation: u64,
    known: Vec<KnownUser>,
}

/// `user` as it was last told, ONLINE.
fn known(user: &str, version: u64) -> KnownUser {
    KnownUser {
        user_id: user.to_owned(),
        version: Version(version),
        online: true,
    }
}

fn log_in(server: &Server, user: &str, resume: Resume) -> (Client, LoginReply) {
    let mut client = Client::connect(server.address);
    let reply = client.request(&Request::Login(LoginRequest {
        sdk_app_id: APP,
        user_id: user.to_owned(),
        user_sig: signed(user),
        platform: "Linux".to_owned(),
        instance: "test".to_owned(),
        session: resume.session,
        list_generation: resume.list_generation,
        known: resume.known,
        client: "test/1".to_owned(),
        only_to_log_out: false,
    }));
    assert_eq!(reply.code, 0, "{user}: {}", reply.message);
    (client, reply.login.expect("a login reply"))
}

fn online(server: &Server, user: &str) -> (Client, LoginReply) {
    log_in(server, user, Resume::default())
}

fn query(client: &mut Client, user: &str) -> UserStatus {
    let reply = query_all(client, &[user]);
    reply.users.into_iter().next().expect("one user")
}

fn query_all(client: &mut Client, users: &[&str]) -> Reply {
    client.request(&Request::GetUserStatus {
        user_ids: users.iter().map(|user| (*user).to_owned()).collect(),
    })
}

fn subscribe(client: &mut Client, users: &[&str]) {
    let user_ids = users.iter().map(|user| (*user).to_owned()).collect();
    assert_eq!(client.request(&Request::Subscribe { user_ids }).code, 0);
}

fn set_custom(client: &mut Client, text: &str) {
    let custom_status = text.to_owned();
    assert_eq!(client.request(&Request::SetSelfStatus { custom_status }).code, 0);
}

/// Waits until the client is told of `user`.
fn await_push(client: &mut Client, user: &str) -> UserStatus {
    loop {
        match client.next() {
            Some(ServerMessage::Push(changes)) => {
                if let Some(change) = changes.into_iter().find(|change| change.user_id == user) {
                    return change;
                }
            }
            Some(_) => {}
            None => panic!("closed before a change of {user} came"),
        }
    }
}

/// What was pushed to the client up to now: it asks for the status of `user`, and what it was to be told of that user at
/// its login comes before the answer.
fn pushed(client: &mut Client, user: &str) -> Vec<UserStatus> {
    let (reply, pushed) = client.request_and_pushed(&Request::GetUserStatus {
        user_ids: vec![user.to_owned()],
    });
    assert_eq!(reply.code, 0);
    pushed
}
