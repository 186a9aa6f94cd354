//! What stands between a client and its server: a proxy that cuts and redirects, and an HTTP proxy that is asked.
#![allow(dead_code)] // each test file uses a part

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;

/// Passes bytes on, each way, until it is told otherwise. Its threads end with the connections.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    target: SocketAddr,
    open: Vec<TcpStream>,
}

impl Proxy {
    /// In front of `target`.
    pub fn start(target: SocketAddr) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let open = Vec::new();
        let shared = Arc::new(Mutex::new(Shared { target, open }));
        let accepting = Arc::downgrade(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (Some(shared), Ok(near)) = (accepting.upgrade(), stream) else {
                    return;
                };
                let mut shared = shared.lock().unwrap();
                if let Ok(far) = TcpStream::connect(shared.target) {
                    shared
                        .open
                        .extend([near.try_clone().unwrap(), far.try_clone().unwrap()]);
                    join(near, far);
                }
            }
        });
        Proxy { address, shared }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends all connections; new ones go to `target`.
    pub fn redirect(&self, target: SocketAddr) {
        let mut shared = self.shared.lock().unwrap();
        shared.target = target;
        for stream in shared.open.drain(..) {
            // It may have ended.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Passes bytes on between the two, both ways.
fn join(near: TcpStream, far: TcpStream) {
    let (near_too, far_too) = (near.try_clone().unwrap(), far.try_clone().unwrap());
    thread::spawn(move || pass(near, far));
    thread::spawn(move || pass(far_too, near_too));
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    // However it ends, both end.
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

/// An HTTP proxy that answers each `CONNECT` with `answer`, and where that is 200 does what it was asked.
pub struct HttpProxy {
    pub address: SocketAddr,
    /// The heads of the requests.
    pub asked: Receiver<String>,
}

impl HttpProxy {
    pub fn start(answer: &'static str) -> HttpProxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, asked) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut near) = stream else { return };
                let head = read_head(&mut near);
                let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
                if tell.send(head).is_err() {
                    return;
                }
                // The client may have gone.
                let _ = near.write_all(answer.as_bytes());
                if answer.contains(" 200 ")
                    && let Ok(far) = TcpStream::connect(target)
                {
                    join(near, far);
                }
            }
        });
        HttpProxy { address, asked }
    }
}

/// Up to the empty line.
pub fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}
