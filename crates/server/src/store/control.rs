//! A running server gives backups of its store to whoever may enter the data directory: a local socket in it, one command
//! a connection, one connection at a time. The command is a line, `backup`; the answer is `ok` on a line and then the
//! backup, or a line that says why not.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Read as _, Write};
use std::net::Shutdown;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};

use super::backup::dump;
use super::error::StoreError;
use super::folder::Folder;
use super::wall_now;
use super::writer::Order;

const SOCKET: &str = "control.sock";
const COMMAND: &str = "backup";
/// How long the other side may take to say its command, or to take some of the answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of a command, or of a line that says why not.
const LINE_BYTES_MAX: u64 = 1_024;

/// Whom the thread serves now.
type Served = Arc<Mutex<Option<UnixStream>>>;

/// The socket and the thread that serves it.
pub struct Control {
    address: Address,
    stopping: Arc<AtomicBool>,
    served: Served,
    thread: Option<JoinHandle<()>>,
}

impl Control {
    /// Serves until [`Control::stop`]. The folder is this process's, so a socket in it is what a crash left.
    pub fn start(folder: &Folder, orders: Sender<Order>) -> Result<Control, StoreError> {
        let path = folder.path().join(SOCKET);
        let failed = |error| StoreError::system(&path, error);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            Ok(()) | Err(_) => {}
        }
        let address = Address::of(folder.path()).map_err(failed)?;
        let listener = UnixListener::bind(&address.path).map_err(failed)?;
        let stopping = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopping);
        let served = Served::default();
        let serving = Arc::clone(&served);
        let thread = std::thread::Builder::new()
            .name("tim-store-control".to_owned())
            .spawn(move || serve(&listener, &orders, &stop, &serving))
            .map_err(failed)?;
        Ok(Control {
            address,
            stopping,
            served,
            thread: Some(thread),
        })
    }

    /// Has it end. A backup that is under way is cut off: whoever takes it may be slow, and the server has little time.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        if let Some(stream) = &*lock(&self.served) {
            // It may have gone by itself.
            let _ = stream.shutdown(Shutdown::Both);
        }
        // Wakes the thread. If that fails it has ended.
        drop(UnixStream::connect(&self.address.path));
    }

    /// Waits for the end, which a backup that waits for the store's thread puts off.
    pub fn join(&mut self) {
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread for backups panicked");
        }
    }
}

fn lock(served: &Served) -> std::sync::MutexGuard<'_, Option<UnixStream>> {
    served.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(listener: &UnixListener, orders: &Sender<Order>, stopping: &AtomicBool, served: &Served) {
    while !stopping.load(Ordering::Acquire) {
        match listener.accept() {
            Ok((stream, _)) => {
                let result = stream.try_clone().and_then(|clone| {
                    *lock(served) = Some(clone);
                    // Either this sees that it stops, or whoever stops it sees the stream.
                    if stopping.load(Ordering::Acquire) {
                        return Ok(());
                    }
                    answer(&stream, orders)
                });
                *lock(served) = None;
                if let Err(error) = result {
                    tracing::warn!(%error, "a backup was not given");
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the socket for backups failed");
                // No file descriptor is left, probably.
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    }
}

fn answer(stream: &UnixStream, orders: &Sender<Order>) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut command = String::new();
    BufReader::new(stream)
        .take(LINE_BYTES_MAX)
        .read_line(&mut command)?;
    if command.trim_end() != COMMAND {
        return writeln!(&*stream, "there is no such command");
    }
    let (answer, answered) = bounded(1);
    let snapshot = match orders.send(Order::Snapshot(answer)) {
        Ok(()) => answered
            .recv()
            .unwrap_or_else(|_| Err("the server is stopping".to_owned())),
        Err(_) => Err("the server is stopping".to_owned()),
    };
    match snapshot {
        Ok(snapshot) => {
            let mut out = BufWriter::new(stream);
            writeln!(out, "ok")?;
            dump(&snapshot, wall_now(), &mut out).map_err(|error| io::Error::other(format!("{error:?}")))?;
            tracing::info!("a backup was given");
            Ok(())
        }
        Err(text) => writeln!(&*stream, "{text}"),
    }
}

/// Asks the server that runs on `folder` for a backup. False: none does.
pub fn fetch_backup(folder: &Path, out: &mut impl Write) -> Result<bool, StoreError> {
    let path = folder.join(SOCKET);
    let failed = |error| StoreError::system(&path, error);
    let address = Address::of(folder).map_err(failed)?;
    let stream = match UnixStream::connect(&address.path) {
        Ok(stream) => stream,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) =>
        {
            return Ok(false);
        }
        Err(error) => return Err(failed(error)),
    };
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    writeln!(&stream, "{COMMAND}").map_err(failed)?;
    let mut input = BufReader::new(&stream);
    let mut line = String::new();
    (&mut input)
        .take(LINE_BYTES_MAX)
        .read_line(&mut line)
        .map_err(failed)?;
    match line.trim_end() {
        "ok" => {}
        "" => return Err(StoreError::Refused("the server is stopping".to_owned())),
        text => return Err(StoreError::Refused(format!("the server gives no backup: {text}"))),
    }
    io::copy(&mut input, out)
        .and_then(|_| out.flush())
        .map_err(failed)?;
    Ok(true)
}

/// Where the socket of a folder is. The system takes about 100 bytes for it, so a folder of any length is named by its
/// descriptor where that can be done.
struct Address {
    path: PathBuf,
    _folder: File,
}

impl Address {
    fn of(folder: &Path) -> io::Result<Address> {
        let handle = File::open(folder)?;
        let path = if cfg!(target_os = "linux") {
            PathBuf::from(format!("/proc/self/fd/{}", handle.as_raw_fd())).join(SOCKET)
        } else {
            folder.join(SOCKET)
        };
        Ok(Address {
            path,
            _folder: handle,
        })
    }
}
