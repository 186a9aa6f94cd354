//! A receiver of webhooks: a small real HTTP server that keeps what it was sent and answers as it is told.

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{Receiver as Channel, Sender, channel};
use std::thread;
use std::time::Duration;

/// Longer than anything here takes; only a failing test waits for it.
const DEADLINE: Duration = Duration::from_secs(20);

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// `POST /path?query`.
    pub line: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Received {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn query(&self) -> &str {
        self.line.split_once('?').map_or("", |(_, query)| query)
    }
}

/// What it answers.
pub enum Answer {
    /// This status, and these header lines.
    Status(u16, String),
    /// Nothing, with the connection left open until the client closes it.
    Hang,
    /// Success, and then a body that never ends.
    OkWithoutEnd,
    /// Nothing: the connection is closed.
    Close,
}

impl Answer {
    pub fn ok() -> Answer {
        Answer::Status(200, String::new())
    }
}

/// See the module.
pub struct Receiver {
    pub address: SocketAddr,
    requests: Channel<Received>,
}

type Answering = Arc<dyn Fn(&Received) -> Answer + Send + Sync>;

impl Receiver {
    /// Answers each request, on the thread of its connection, with what `answer` says.
    pub fn start(answer: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (sender, requests) = channel();
        let answer: Answering = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (sender, answer) = (sender.clone(), Arc::clone(&answer));
                thread::spawn(move || serve(stream, &sender, &answer));
            }
        });
        Receiver { address, requests }
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// The next request.
    pub fn next(&self) -> Received {
        self.requests.recv_timeout(DEADLINE).expect("a request")
    }

    /// Whether nothing has come that was not looked at.
    pub fn is_quiet(&self) -> bool {
        self.requests.try_recv().is_err()
    }
}

/// The requests of one connection, plain or decrypted.
pub fn serve(stream: impl Read + Write, requests: &Sender<Received>, answer: &Answering) {
    let mut stream = BufReader::new(stream);
    while let Some(received) = read(&mut stream) {
        // Before the test hears of it, so that what the answer says is settled by then.
        let said = answer(&received);
        // A test that has ended wants no more.
        let _ = requests.send(received);
        match said {
            Answer::Status(status, headers) => {
                let body = r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}"#;
                let length = body.len();
                let text = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{headers}\r\n{body}");
                if stream.get_mut().write_all(text.as_bytes()).is_err() {
                    return;
                }
            }
            Answer::OkWithoutEnd => {
                let head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{";
                // Until the other end gives up.
                if stream.get_mut().write_all(head).is_ok() {
                    let _ = stream.read(&mut [0; 1]);
                }
                return;
            }
            Answer::Hang => {
                // Until the other end gives up.
                let _ = stream.read(&mut [0; 1]);
                return;
            }
            Answer::Close => return,
        }
    }
}

fn read(stream: &mut impl std::io::BufRead) -> Option<Received> {
    let mut line = String::new();
    stream.read_line(&mut line).ok().filter(|count| *count > 0)?;
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).ok()?;
        match header.trim_end().split_once(": ") {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.to_owned())),
            None => break,
        }
    }
    let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    let mut received = Received {
        line,
        headers,
        body: String::new(),
    };
    let length = received
        .header("content-length")
        .map_or(0, |length| length.parse().expect("a number"));
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    received.body = String::from_utf8(body).expect("UTF-8");
    Some(received)
}
