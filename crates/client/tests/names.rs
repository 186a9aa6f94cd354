//! The name of a server, looked up by a resolver that hangs. In real time: the resolver's threads know no other.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use presence_client::Client;
use presence_client::options::Options;
use presence_client::world::SystemWorld;
use presence_protocol::errors::code;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(120);

/// Look-ups that hang, begun within two seconds: each further one costs as long as all before.
const HANGING: usize = 3;

struct App {
    client: Client,
    woken: Arc<Notify>,
}

impl App {
    fn new(world: Arc<SystemWorld>, port: u16) -> App {
        let options = format!(
            r#"{{"server":"tim://presence.test:{port}","sdk_app_id":7,"delivery":"poll","connect_timeout_ms":100}}"#
        );
        let client = Client::create_in(world, Options::parse(&options).unwrap()).unwrap();
        let woken = Arc::new(Notify::new());
        let ring = Arc::clone(&woken);
        client
            .set_wake_callback(Some(Box::new(move || ring.notify_one())))
            .unwrap();
        App { client, woken }
    }

    /// The result of an attempt to reach the server.
    async fn reach(&self) -> i32 {
        let (told, result) = mpsc::channel();
        let done = Box::new(move |outcome: presence_client::Outcome| told.send(outcome.code).unwrap());
        self.client.reach(done).unwrap();
        loop {
            match result.try_recv() {
                Ok(code) => return code,
                Err(_) if self.client.poll(1, Duration::ZERO).unwrap() == 0 => self.woken.notified().await,
                Err(_) => {}
            }
        }
    }
}

#[tokio::test]
async fn a_server_is_reached_as_soon_as_a_look_up_answers_however_many_hang() {
    let (release, hang) = mpsc::channel::<()>();
    let hang = Mutex::new(hang);
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let world = Arc::new(SystemWorld::with_names(move |name| {
        assert_eq!(name, "presence.test");
        if count.fetch_add(1, Ordering::SeqCst) < HANGING {
            // Until the test is over.
            let _ = hang.lock().unwrap().recv();
        }
        Ok(vec![([127, 0, 0, 1], 0).into()])
    }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let app = App::new(world, listener.local_addr().unwrap().port());
    let reached = async {
        loop {
            match app.reach().await {
                code::OK => return,
                other => assert_eq!(other, code::CONNECT_TIMEOUT),
            }
        }
    };
    timeout(PATIENCE, reached).await.unwrap();
    assert!(asked.load(Ordering::SeqCst) > HANGING);
    drop(release);
}
