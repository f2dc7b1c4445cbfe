//! A server that says back what it hears, and keeps it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

/// The longest that anything is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What a server has seen on one of its connections.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Connection,
    Bytes(Vec<u8>),
    /// All that it heard, when the connection ended in good order.
    End(Vec<u8>),
    Failure,
}

/// It ends with the test.
pub(crate) struct Echo {
    pub(crate) address: SocketAddr,
    heard: Receiver<Heard>,
}

impl Echo {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, heard) = channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let sender = sender.clone();
                thread::spawn(move || echo(stream.unwrap(), &sender));
            }
        });
        Self { address, heard }
    }

    /// What it hears next.
    pub(crate) fn hears(&self) -> Heard {
        self.heard.recv_timeout(PATIENCE).unwrap()
    }

    /// Whether it has heard nothing more.
    pub(crate) fn hears_nothing(&self) -> bool {
        self.heard.try_recv().is_err()
    }

    /// Waits for the end of a connection; all that was heard on it, or nothing if it was reset.
    pub(crate) fn hears_end(&self) -> Option<Vec<u8>> {
        loop {
            match self.hears() {
                Heard::End(all) => return Some(all),
                Heard::Failure => return None,
                Heard::Connection | Heard::Bytes(_) => {}
            }
        }
    }
}

fn echo(mut stream: TcpStream, heard: &Sender<Heard>) {
    // The test may have ended and hear nothing more.
    drop(heard.send(Heard::Connection));
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    let end = loop {
        match stream.read(&mut buffer) {
            Ok(0) => break Heard::End(all),
            Err(_) => break Heard::Failure,
            Ok(count) => {
                let bytes = &buffer[..count];
                all.extend_from_slice(bytes);
                drop(heard.send(Heard::Bytes(bytes.to_vec())));
                drop(stream.write_all(bytes));
            }
        }
    };
    drop(heard.send(end));
}

/// A connection to `address` that is not waited for without end.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Sends `bytes` and waits until as many have come back.
pub(crate) fn exchange(stream: &mut TcpStream, bytes: &[u8]) -> Vec<u8> {
    stream.write_all(bytes).unwrap();
    receive(stream, bytes.len())
}

pub(crate) fn receive(stream: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut back = vec![0; count];
    stream.read_exact(&mut back).unwrap();
    back
}
