//! A client that shows what really went over the wire.

use std::{io::ErrorKind, net::SocketAddr, time::Duration};

use paceline_simulator::{Simulator, SimulatorSettings};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

pub(crate) async fn start(settings: SimulatorSettings) -> Simulator {
    Simulator::start(settings).await.unwrap()
}

pub(crate) async fn start_default() -> Simulator {
    start(SimulatorSettings::default()).await
}

/// A request under construction.
pub(crate) struct Call {
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Closed,
    Reset,
    StillOpen,
}

/// An answer as it was read.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    /// Without the framing of chunks.
    pub(crate) body: Vec<u8>,
    /// Whether the body ended where its framing says.
    pub(crate) complete: bool,
    pub(crate) raw: Vec<u8>,
    pub(crate) end: End,
}

impl Call {
    pub(crate) fn new(method: &'static str, path: &str) -> Self {
        let call = Self {
            method,
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        };
        call.header("authorization", "Bearer sk-test-0123456789")
    }

    pub(crate) fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    pub(crate) fn post(path: &str, body: &Value) -> Self {
        Self::new("POST", path)
            .header("content-type", "application/json")
            .body(body.to_string())
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn fault(self, order: &str) -> Self {
        self.header("x-simulator-fault", order)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut text = format!(
            "{} {} HTTP/1.1\r\nhost: simulator\r\n",
            self.method, self.path
        );
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("content-length: {}\r\n\r\n", self.body.len()));
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    pub(crate) async fn send(self, address: SocketAddr) -> Reply {
        self.send_and_wait(address, Duration::from_secs(10)).await
    }

    /// Sends the request with `connection: close` and reads until the connection ends, or until
    /// nothing came for a time.
    pub(crate) async fn send_and_wait(self, address: SocketAddr, patience: Duration) -> Reply {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let call = self.header("connection", "close");
        stream.write_all(&call.bytes()).await.unwrap();
        let (raw, end) = read_all(&mut stream, patience).await;
        Reply::parse(raw, end)
    }
}

pub(crate) async fn read_all(stream: &mut TcpStream, patience: Duration) -> (Vec<u8>, End) {
    let mut raw = Vec::new();
    loop {
        let mut buffer = vec![0; 16 * 1024];
        match timeout(patience, stream.read(&mut buffer)).await {
            Err(_) => return (raw, End::StillOpen),
            Ok(Ok(0)) => return (raw, End::Closed),
            Ok(Ok(length)) => raw.extend_from_slice(&buffer[..length]),
            Ok(Err(error)) if error.kind() == ErrorKind::ConnectionReset => {
                return (raw, End::Reset);
            }
            Ok(Err(error)) => panic!("{error}"),
        }
    }
}

impl Reply {
    fn parse(raw: Vec<u8>, end: End) -> Self {
        let mut reply = Self {
            status: 0,
            headers: Vec::new(),
            body: Vec::new(),
            complete: false,
            raw,
            end,
        };
        let Some(split) = find(&reply.raw, b"\r\n\r\n") else {
            return reply;
        };
        let head = String::from_utf8(reply.raw[..split].to_vec()).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        reply.status = status.parse().unwrap();
        reply.headers = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let rest = reply.raw[split + 4..].to_vec();
        match reply
            .header("content-length")
            .map(|length| length.parse::<usize>().unwrap())
        {
            Some(length) => {
                reply.complete = rest.len() == length;
                reply.body = rest;
            }
            None => (reply.body, reply.complete) = unchunked(&rest),
        }
        reply
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!(
                "{error}: {} {}",
                self.status,
                String::from_utf8_lossy(&self.body)
            )
        })
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// The `data:` members of all events, `[DONE]` left out.
    pub(crate) fn events(&self) -> Vec<Value> {
        let text = self.text();
        let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
        data.filter(|data| *data != "[DONE]")
            .map(|data| serde_json::from_str(data).unwrap())
            .collect()
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

/// The content of a chunked body, and whether its last chunk came.
fn unchunked(mut bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(line) = find(bytes, b"\r\n") else {
            return (body, false);
        };
        let size = std::str::from_utf8(&bytes[..line]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        let Some(chunk) = bytes.get(line + 2..line + 2 + size) else {
            return (body, false);
        };
        if size == 0 {
            return (body, true);
        }
        body.extend_from_slice(chunk);
        bytes = &bytes[line + 2 + size + 2..];
    }
}
