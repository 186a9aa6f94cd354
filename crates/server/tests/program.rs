//! The program as people and scripts use it: what it prints, answers, logs and refuses.

#[allow(dead_code)] // each test program uses a part of it
mod support;

use std::net::TcpListener;

use presence_protocol::message::{LoginRequest, Request};
use serde_json::Value;
use support::{Client, DEADLINE, KEY, Server, TempFile, run};

fn stdout(output: &std::process::Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &std::process::Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// A configuration whose app has the accounts alice and bob; `settings` are the app's.
fn configuration(settings: &str) -> String {
    format!(
        "listen = [\"127.0.0.1:0\"]\n[[apps]]\nid = 7\nsecret_key = \"{KEY}\"\naccounts = [\"alice\", \"bob\"]\n{settings}\n"
    )
}

fn sign(path: &str, user: &str) -> String {
    let output = run(&["sign", "--config", path, "--user", user]);
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output).trim_end().to_owned()
}

fn query(client: &mut Client, user: &str) -> i32 {
    client
        .request(&Request::GetUserStatus {
            user_ids: vec![user.to_owned()],
        })
        .code
}

#[test]
fn dev_prints_all_that_is_needed_to_log_in_and_answers_a_login() {
    let mut server = Server::start(&["--dev", "--listen", "127.0.0.1:0"]);
    assert_eq!(server.stdout_line(), "sdk_app_id 1400000001");
    let key = server.stdout_line();
    let key = key.strip_prefix("secret_key ").expect("the key");
    assert!(
        key.len() == 64 && key.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{key}"
    );
    let command = server.stdout_line();
    let command = command
        .strip_prefix(&format!("sign {} ", env!("CARGO_BIN_EXE_tim-presence-server")))
        .expect("a command to copy");

    let output = run(&command.split(' ').collect::<Vec<_>>());
    let user_sig = stdout(&output);
    assert_eq!(user_sig.lines().count(), 1, "the UserSig alone: {user_sig}");

    let mut client = Client::connect(server.address);
    let reply = client.login(1_400_000_001, "alice", user_sig.trim_end());
    assert_eq!((reply.code, reply.message.as_str()), (0, ""));
    let login = reply.login.expect("a login reply");
    assert_eq!(
        (login.heartbeat_interval_ms, login.heartbeat_timeout_ms),
        (120_000, 400_000)
    ); // R2.6
    // auto_register_on_mention (R1.2): whoever is subscribed to exists.
    let reply = client.request(&Request::Subscribe {
        user_ids: vec!["nobody yet".to_owned()],
    });
    assert_eq!((reply.code, reply.users[0].code), (0, 0));
}

#[test]
fn a_user_sig_of_another_key_is_refused() {
    let file = TempFile::new("other-key", &configuration(""));
    let server = Server::start(&["--config", &file.path()]);
    let output = run(&["sign", "--app", "7", "--key", "another", "--user", "alice"]);
    let reply = Client::connect(server.address).login(7, "alice", stdout(&output).trim_end());
    assert_eq!(reply.code, 70009); // R8.1
}

#[test]
fn sigterm_and_sigint_close_connections_and_end_with_code_0_soon() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let file = TempFile::new(&format!("signal-{signal}"), &configuration(""));
        let mut server = Server::start(&["--config", &file.path()]);
        let mut client = Client::connect(server.address);
        assert_eq!(client.login(7, "alice", &sign(&file.path(), "alice")).code, 0);
        server.signal(signal);
        client.await_close();
        let (status, took) = server.await_end();
        assert_eq!(status.code(), Some(0), "{:#?}", server.log);
        // Nothing that takes its own time is waited for; a busy machine may need some.
        assert!(took < DEADLINE / 2, "{took:?}");
    }
}

#[test]
fn sighup_switches_user_status_off_and_on_for_the_next_call() {
    let file = TempFile::new("reload", &configuration(""));
    let mut server = Server::start(&["--config", &file.path(), "--log-format", "json"]);
    let mut client = Client::connect(server.address);
    assert_eq!(client.login(7, "alice", &sign(&file.path(), "alice")).code, 0);
    assert_eq!(query(&mut client, "bob"), 0);

    file.write(&configuration("user_status = false"));
    server.signal(libc::SIGHUP);
    let change: Value = serde_json::from_str(&server.await_log("setting changed")).expect("JSON");
    assert_eq!(
        (&change["app"], &change["setting"]),
        (&"7".into(), &"user_status".into())
    );
    assert_eq!((&change["was"], &change["is"]), (&"true".into(), &"false".into()));
    server.await_log("configuration reloaded");
    assert_eq!(query(&mut client, "bob"), 72001); // R7.3, R7.6

    file.write("user_status = maybe");
    server.signal(libc::SIGHUP);
    let refused: Value = serde_json::from_str(&server.await_log("not reloaded")).expect("JSON");
    assert_eq!(refused["level"], "ERROR");
    assert!(
        refused["error"]
            .as_str()
            .is_some_and(|text| text.contains("line 1")),
        "{refused}"
    );
    assert_eq!(query(&mut client, "bob"), 72001, "a broken file changes nothing");

    file.write(&configuration(
        "user_status = true\n[[apps]]\nid = 8\nsecret_key = \"k\"",
    ));
    server.signal(libc::SIGHUP);
    let waiting: Value =
        serde_json::from_str(&server.await_log("takes effect with a restart")).expect("JSON");
    assert_eq!(waiting["setting"], "app 8 (new)");
    server.await_log("configuration reloaded");
    assert_eq!(query(&mut client, "bob"), 0);
}

#[test]
fn sighup_imports_added_accounts_and_replaces_friend_lists() {
    let file = TempFile::new("reload-accounts", &configuration(""));
    let mut server = Server::start(&["--config", &file.path()]);
    let mut client = Client::connect(server.address);
    assert_eq!(client.login(7, "alice", &sign(&file.path(), "alice")).code, 0);
    assert_eq!(query(&mut client, "carol"), 70107);
    file.write(&configuration("").replace(
        "\"bob\"]",
        "\"bob\", \"carol\"]\nfriends = { alice = [\"bob\", \"dave\"] }",
    ));
    server.signal(libc::SIGHUP);
    server.await_log("configuration reloaded");
    assert_eq!(query(&mut client, "carol"), 0);
    let friends = client.request(&Request::GetFriends).users;
    assert_eq!(
        friends
            .iter()
            .map(|friend| friend.user_id.as_str())
            .collect::<Vec<_>>(),
        ["bob", "dave"]
    );
    assert_eq!(
        query(&mut client, "dave"),
        0,
        "friends exist as accounts (docs/CONFIGURATION.md)"
    );
}

#[test]
fn sighup_leaves_an_apps_settings_alone_that_do_not_fit_the_server_as_it_runs() {
    let file = TempFile::new(
        "reload-conflict",
        &format!("frame_bytes_max = 32768\n{}", configuration("")),
    );
    let mut server = Server::start(&["--config", &file.path()]);
    let larger = configuration("query_batch_max = 3000\nuser_status = false");
    file.write(&format!("frame_bytes_max = 131072\n{larger}"));
    server.signal(libc::SIGHUP);
    server.await_log("frame_bytes_max must have room for query_batch_max user ids");
    server.await_log("configuration reloaded");
    let mut client = Client::connect(server.address);
    assert_eq!(client.login(7, "alice", &sign(&file.path(), "alice")).code, 0);
    assert_eq!(query(&mut client, "bob"), 0, "the settings go together");
    let user_ids = (0..501).map(|number| format!("user-{number}")).collect();
    assert_eq!(client.request(&Request::GetUserStatus { user_ids }).code, 6017);
}

#[test]
fn no_secret_is_logged_at_any_level() {
    let file = TempFile::new("secrets", &configuration(""));
    let mut server = Server::start(&["--config", &file.path(), "--log-level", "trace"]);
    let user_sig = sign(&file.path(), "alice");
    let mut client = Client::connect(server.address);
    assert_eq!(client.login(7, "alice", &user_sig).code, 0);
    assert_eq!(
        client
            .request(&Request::RenewUserSig {
                user_sig: user_sig.clone()
            })
            .code,
        0
    );
    assert_ne!(Client::connect(server.address).login(7, "bob", &user_sig).code, 0);
    server.signal(libc::SIGTERM);
    server.await_end();
    assert!(
        server.log.iter().any(|line| line.contains("listening")),
        "there is a log: {:#?}",
        server.log
    );
    for line in &server.log {
        assert!(!line.contains(KEY) && !line.contains(&user_sig[20..60]), "{line}");
    }
}

#[test]
fn what_users_write_is_logged_at_debug_only() {
    let file = TempFile::new("content", &configuration(""));
    let mut server = Server::start(&["--config", &file.path(), "--log-level", "info"]);
    let mut client = Client::connect(server.address);
    assert_eq!(client.login(7, "alice", &sign(&file.path(), "alice")).code, 0);
    let custom_status = "at the dentist".to_owned();
    assert_eq!(client.request(&Request::SetSelfStatus { custom_status }).code, 0);
    server.signal(libc::SIGTERM);
    server.await_end();
    assert!(
        server.log.iter().all(|line| !line.contains("dentist")),
        "{:#?}",
        server.log
    );
}

#[test]
fn a_client_cannot_write_lines_of_its_own_into_the_log() {
    let file = TempFile::new("forged", &configuration(""));
    let mut server = Server::start(&["--config", &file.path(), "--log-level", "debug"]);
    let mut client = Client::connect(server.address);
    let login = Request::Login(LoginRequest {
        sdk_app_id: 7,
        user_id: "alice".to_owned(),
        user_sig: sign(&file.path(), "alice"),
        platform: "Linux\nforged platform".to_owned(),
        instance: "test".to_owned(),
        session: None,
        list_generation: 0,
        known: Vec::new(),
        client: "test/1\nforged client".to_owned(),
        only_to_log_out: false,
    });
    assert_eq!(client.request(&login).code, 0);
    let line = server.await_log("forged client");
    assert!(
        line.contains("login") && line.contains("forged platform"),
        "{line}"
    );
    server.signal(libc::SIGTERM);
    server.await_end();
}

#[test]
fn an_address_in_use_is_a_runtime_failure_with_code_1() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    let output = run(&["--dev", "--listen", &address]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains(&format!("cannot listen on {address}"))
            && stderr(&output).contains("--listen takes another"),
        "{}",
        stderr(&output)
    );
    assert_eq!(stdout(&output), "");
}

/// The store was begun, so it is ended in order, too: the next start finds nothing amiss.
#[test]
fn a_start_that_fails_leaves_its_store_in_order() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address");
    let text = |admin: &str| {
        format!(
            "admin_listen = \"{admin}\"\ndata_dir = \"store\"\n{}",
            configuration("")
        )
    };
    let file = TempFile::new("failed-start", &text(&address.to_string()));
    let output = run(&["--config", &file.path()]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(
        said.contains(&format!("cannot serve administrators on {address}")),
        "{said}"
    );
    file.write(&text("off"));
    let mut server = Server::start(&["--config", &file.path()]);
    server.signal(libc::SIGTERM);
    server.await_end();
    let log = server.log.join("\n");
    assert!(
        log.contains("store closed") && !log.contains("did not end in order"),
        "{log}"
    );
}

#[test]
fn beyond_loopback_it_listens_only_when_told_that_this_is_insecure() {
    for address in ["0.0.0.0:0", "192.0.2.1:1"] {
        let output = run(&["--dev", "--listen", address]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains("--insecure"), "{}", stderr(&output));
        assert_eq!(stdout(&output), "");
    }
    // With the flag it tries; that address is reserved for documentation, so no machine has it.
    let output = run(&["--dev", "--insecure", "--listen", "192.0.2.1:1"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
}

#[test]
fn wrong_arguments_and_files_are_named_and_end_with_code_2() {
    let file = TempFile::new(
        "wrong",
        "listen = 5\n[[apps]]\nid = 0\nsecret_key = \"hush-hush\"\nhearbeat = 1\n",
    );
    let path = file.path();
    let cases: [(&[&str], &[&str]); 6] = [
        (&[], &["--dev", "--config"]),
        (&["--colour"], &["--colour", "--help"]),
        (
            &["--config", "/nonexistent/x.toml"],
            &["cannot read /nonexistent/x.toml"],
        ),
        (
            &["--config", &path],
            &[
                "line 1: listen",
                "line 3: id",
                "line 5: there is no setting \"hearbeat\"",
            ],
        ),
        (
            &["check-config", &path],
            &[
                "line 1: listen",
                "line 3: id",
                "line 5: there is no setting \"hearbeat\"",
            ],
        ),
        (
            &["sign", "--app", "1", "--key", "k", "--user", ""],
            &["--user takes 1 to 32"],
        ),
    ];
    for (arguments, parts) in cases {
        let output = run(arguments);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        for part in parts {
            assert!(text.contains(part), "{arguments:?}: {text}");
        }
        assert!(!text.contains("hush-hush"), "a key is never shown: {text}");
        assert_eq!(stdout(&output), "");
    }
}

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tim-presence-server.example.toml");

#[test]
fn the_example_is_not_served_with_its_public_key() {
    for command in ["--config", "check-config"] {
        let output = run(&[command, EXAMPLE]);
        assert_eq!(output.status.code(), Some(2), "{command}");
        assert!(stderr(&output).contains("openssl rand"), "{}", stderr(&output));
    }
}

#[test]
fn commands_that_only_print_end_with_code_0() {
    let text = std::fs::read_to_string(EXAMPLE).expect("the example");
    let file = TempFile::new(
        "example-with-a-key",
        &text.replace(
            "replace-me-with-64-hex-digits-from-openssl-rand",
            "0123456789abcdef0123456789abcdef",
        ),
    );
    let with_a_key = file.path();
    let cases: [(&[&str], &str); 4] = [
        (&["--version"], env!("CARGO_PKG_VERSION")),
        (&["--help"], "--dev"),
        (&["settings"], "| `heartbeat_timeout_ms` |"),
        (
            &["check-config", &with_a_key],
            "ok; listens on 127.0.0.1:7788; apps 1400000001",
        ),
    ];
    for (arguments, part) in cases {
        let output = run(arguments);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{arguments:?}: {}",
            stderr(&output)
        );
        assert!(
            stdout(&output).contains(part),
            "{arguments:?}: {}",
            stdout(&output)
        );
    }
}

#[test]
fn sign_takes_the_key_of_the_app_named() {
    let two = format!("{}[[apps]]\nid = 8\nsecret_key = \"other\"\n", configuration(""));
    let file = TempFile::new("sign", &two);
    let path = file.path();
    let ambiguous = run(&["sign", "--config", &path, "--user", "alice"]);
    assert_eq!(ambiguous.status.code(), Some(2));
    assert!(stderr(&ambiguous).contains("--app"), "{}", stderr(&ambiguous));
    assert_eq!(
        run(&["sign", "--config", &path, "--app", "9", "--user", "alice"])
            .status
            .code(),
        Some(2)
    );

    let server = Server::start(&["--config", &path]);
    let output = run(&[
        "sign", "--config", &path, "--app", "8", "--user", "alice", "--valid", "60",
    ]);
    let reply = Client::connect(server.address).login(8, "alice", stdout(&output).trim_end());
    assert_eq!(reply.code, 0);
    let login = reply.login.expect("a login reply");
    let left_ms = login.user_sig_expires_ms - login.server_time_ms;
    assert!((50_000..=60_000).contains(&left_ms), "valid for 60 s: {left_ms}");
}
