//! A server process and a client of raw bytes.

use std::io::{BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use presence_protocol::frame::{self, Next, PREFACE, SERVER_FRAME_BYTES_MAX};
use presence_protocol::message::{
    LoginRequest, Reply, Request, ServerMessage, UserStatus, decode_server, encode_request,
};

/// Longer than anything here takes; only a failing test waits for it.
pub const DEADLINE: Duration = Duration::from_secs(20);

pub const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_tim-presence-server"))
}

/// Runs a command that ends by itself.
pub fn run(arguments: &[&str]) -> Output {
    program().args(arguments).output().expect("the program runs")
}

/// A file in a folder of its own, removed at the end.
pub struct TempFile {
    folder: PathBuf,
}

impl TempFile {
    pub fn new(name: &str, text: &str) -> TempFile {
        let folder = std::env::temp_dir().join(format!("tim-presence-server-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let file = TempFile { folder };
        file.write(text);
        file
    }

    pub fn path(&self) -> String {
        self.folder
            .join("server.toml")
            .to_str()
            .expect("UTF-8")
            .to_owned()
    }

    pub fn write(&self, text: &str) {
        std::fs::write(self.path(), text).expect("a file");
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder); // in the temporary folder anyway
    }
}

/// A running server, killed when dropped.
pub struct Server {
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    /// The log so far.
    pub log: Vec<String>,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Server {
    /// Starts it and waits for its first line.
    pub fn start(arguments: &[&str]) -> Server {
        Server::start_in(arguments, &[])
    }

    /// As `start`, with these environment variables.
    pub fn start_in(arguments: &[&str], environment: &[(&str, &str)]) -> Server {
        let mut child = program()
            .args(arguments)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let stdout = lines(BufReader::new(child.stdout.take().expect("piped")));
        let stderr = lines(BufReader::new(child.stderr.take().expect("piped")));
        let unknown = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Server {
            child,
            stdout,
            stderr,
            log: Vec::new(),
            address: unknown,
        };
        let first = server.stdout_line();
        let address = first
            .strip_prefix("listening on tim://")
            .or_else(|| first.strip_prefix("listening on tims://"))
            .unwrap_or_else(|| panic!("first line: {first}"));
        server.address = address.parse().expect("IP:PORT");
        server
    }

    /// The next line of standard output.
    pub fn stdout_line(&mut self) -> String {
        match self.stdout.recv_timeout(DEADLINE) {
            Ok(line) => line,
            Err(error) => panic!("no line ({error}); log: {:#?}", self.rest_of_log()),
        }
    }

    /// Reads the log up to a record that holds `part`.
    pub fn await_log(&mut self, part: &str) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            match self
                .stderr
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(line) => {
                    self.log.push(line.clone());
                    if line.contains(part) {
                        return line;
                    }
                }
                Err(error) => panic!("no log record with {part:?} ({error}); log: {:#?}", self.log),
            }
        }
    }

    pub fn signal(&self, signal: i32) {
        let pid = i32::try_from(self.child.id()).expect("a pid");
        // SAFETY: kill takes plain numbers; the child was not waited for yet, so the pid is still its own.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
    }

    /// Waits for its end; the status and how long it took.
    pub fn await_end(&mut self) -> (ExitStatus, Duration) {
        let begun = Instant::now();
        // The log ends when the process does: no need to ask again and again.
        while let Ok(line) = self.stderr.recv_timeout(DEADLINE) {
            self.log.push(line);
        }
        (self.child.wait().expect("it ends"), begun.elapsed())
    }

    fn rest_of_log(&mut self) -> Vec<String> {
        while let Ok(line) = self.stderr.recv_timeout(Duration::from_millis(100)) {
            self.log.push(line);
        }
        self.log.clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended
        let _ = self.child.wait();
    }
}

fn lines<R: std::io::BufRead + Send + 'static>(reader: R) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in reader.lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

/// A connection of raw bytes.
pub struct Client {
    stream: Box<dyn Wire>,
    read: BytesMut,
    request_id: u64,
}

/// Bytes both ways.
trait Wire: std::io::Read + std::io::Write + Send {}

impl<T: std::io::Read + std::io::Write + Send> Wire for T {}

impl Client {
    /// The same over TLS, if `config` trusts the server.
    pub fn connect_tls(
        address: SocketAddr,
        config: std::sync::Arc<rustls::ClientConfig>,
    ) -> std::io::Result<Client> {
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        let name = address.ip().into();
        let tls = rustls::ClientConnection::new(config, name).expect("a sound configuration");
        let mut stream = rustls::StreamOwned::new(tls, stream);
        stream.write_all(PREFACE)?;
        Ok(Client {
            stream: Box::new(stream),
            read: BytesMut::new(),
            request_id: 0,
        })
    }

    pub fn connect(address: SocketAddr) -> Client {
        let mut stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        stream.write_all(PREFACE).expect("written");
        Client {
            stream: Box::new(stream),
            read: BytesMut::new(),
            request_id: 0,
        }
    }

    /// Logs in and gives the reply.
    pub fn login(&mut self, sdk_app_id: u64, user: &str, user_sig: &str) -> Reply {
        self.login_on(sdk_app_id, user, user_sig, "Linux")
    }

    /// Logs in as a device of that platform.
    pub fn login_on(&mut self, sdk_app_id: u64, user: &str, user_sig: &str, platform: &str) -> Reply {
        self.request(&Request::Login(LoginRequest {
            sdk_app_id,
            user_id: user.to_owned(),
            user_sig: user_sig.to_owned(),
            platform: platform.to_owned(),
            instance: "test".to_owned(),
            session: None,
            list_generation: 0,
            known: Vec::new(),
            client: "test/1".to_owned(),
            only_to_log_out: false,
        }))
    }

    /// Sends a request and gives its reply; what else comes before it is passed over.
    pub fn request(&mut self, request: &Request) -> Reply {
        self.request_and_pushed(request).0
    }

    /// The reply, and the changes that were pushed before it.
    pub fn request_and_pushed(&mut self, request: &Request) -> (Reply, Vec<UserStatus>) {
        let answered = self.try_request(request);
        answered.unwrap_or_else(|| panic!("closed before the reply to {request:?}"))
    }

    /// As `request_and_pushed`; `None`: the connection ended before the reply.
    pub fn try_request(&mut self, request: &Request) -> Option<(Reply, Vec<UserStatus>)> {
        self.request_id += 1;
        let mut buffer = BytesMut::new();
        encode_request(self.request_id, request, &mut buffer);
        self.stream.write_all(&buffer).ok()?;
        let mut pushed = Vec::new();
        loop {
            match self.next()? {
                ServerMessage::Reply(reply) if reply.request_id == self.request_id => {
                    return Some((reply, pushed));
                }
                ServerMessage::Push(changes) => pushed.extend(changes),
                _ => {}
            }
        }
    }

    /// Reads until the server closes the connection.
    pub fn await_close(&mut self) {
        while self.next().is_some() {}
    }

    /// The next message, or `None` when the server has closed the connection.
    pub fn next(&mut self) -> Option<ServerMessage> {
        loop {
            if let Next::Frame { body, consumed } =
                frame::next(&self.read, SERVER_FRAME_BYTES_MAX).expect("a frame")
            {
                let message = (!body.is_empty()).then(|| decode_server(body).expect("a message"));
                let _ = self.read.split_to(consumed); // it was read above
                if message.is_some() {
                    return message;
                }
                continue;
            }
            let mut chunk = [0; 4096];
            match self.stream.read(&mut chunk) {
                Ok(0) => return None,
                Ok(length) => self.read.extend_from_slice(&chunk[..length]),
                Err(error)
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::UnexpectedEof
                    ) =>
                {
                    return None;
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => panic!("nothing came: {error}"),
            }
        }
    }
}
