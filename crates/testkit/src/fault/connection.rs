//! One connection through the proxy: two lanes, each a reader, a queue and a gate.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::OnceLock;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tokio::{pin, select, try_join};

use super::counts::SharedCounts;
use super::{Behaviour, Counts, Lane};

/// The most that is read at once, and how many such pieces a lane holds before it reads no more.
const PIECE_BYTES: usize = 16 * 1024;
const HELD_PIECES: usize = 256;

/// How often in a second a throttled lane lets something pass.
const STEPS_PER_S: u32 = 100;

/// Where bytes go.
#[derive(Clone, Copy, Debug)]
enum Way {
    ToServer,
    ToClient,
}

impl Way {
    fn lane(self, behaviour: &Behaviour) -> Lane {
        match self {
            Self::ToServer => behaviour.to_server,
            Self::ToClient => behaviour.to_client,
        }
    }

    fn count_taken(self, counts: &mut Counts, bytes: u64) {
        match self {
            Self::ToServer => counts.from_client += bytes,
            Self::ToClient => counts.from_server += bytes,
        }
    }

    fn count_passed(self, counts: &mut Counts, bytes: u64) {
        match self {
            Self::ToServer => counts.to_server += bytes,
            Self::ToClient => counts.to_client += bytes,
        }
    }
}

/// How a connection ends other than by both sides closing it.
#[derive(Clone, Copy, Debug)]
enum End {
    /// One side is gone, or is to believe so: both are reset.
    Reset,
    /// A lane is cut: its receiver has had all it is to have.
    Cut(Way),
}

/// Something that was read, in its place among the rest.
struct Piece {
    arrived: Instant,
    content: Content,
}

enum Content {
    Bytes(Vec<u8>),
    Closed,
    Reset,
}

/// A connection to be served.
pub(super) struct Connection {
    server: SocketAddr,
    behaviour: watch::Receiver<Behaviour>,
    counts: SharedCounts,
}

impl Connection {
    pub(super) fn new(
        server: SocketAddr,
        behaviour: watch::Receiver<Behaviour>,
        counts: &SharedCounts,
    ) -> Self {
        let counts = counts.clone();
        counts.change(|counts| {
            counts.connections += 1;
            counts.open += 1;
        });
        Self {
            server,
            behaviour,
            counts,
        }
    }

    /// Serves it to its end, which `cut` may bring about.
    pub(super) async fn serve(self, client: TcpStream, mut cut: watch::Receiver<()>) {
        let server = OnceLock::new();
        let end = select! {
            biased;
            _ = cut.changed() => Err(End::Reset),
            end = self.relay(&client, &server) => end,
        };
        let (client, server) = (Some(client), server.into_inner());
        let (sender, receiver) = match end {
            Ok(()) => return,
            Err(End::Reset) => {
                reset(client.as_ref());
                return reset(server.as_ref());
            }
            Err(End::Cut(Way::ToServer)) => (client, server),
            Err(End::Cut(Way::ToClient)) => (server, client),
        };
        reset(sender.as_ref());
        drop(sender);
        // Closed at once, the receiver's connection could be reset before everything is read.
        select! {
            biased;
            _ = cut.changed() => reset(receiver.as_ref()),
            () = exhaust(receiver.as_ref()) => {}
        }
    }

    async fn relay(&self, client: &TcpStream, server: &OnceLock<TcpStream>) -> Result<(), End> {
        let (requests, queue) = mpsc::channel(HELD_PIECES);
        let passed = async {
            let stream = self.reach_server().await.map_err(|_| End::Reset)?;
            let server = server.get_or_init(|| stream);
            let (answers, answer_queue) = mpsc::channel(HELD_PIECES);
            let both = async {
                try_join!(
                    self.pass(queue, server, Way::ToServer),
                    self.pass(answer_queue, client, Way::ToClient),
                )
            };
            let taken = self.take(server, &answers, Way::ToClient);
            beside(taken, both).await.map(drop)
        };
        beside(self.take(client, &requests, Way::ToServer), passed).await
    }

    /// Connects to the server once something may reach it.
    async fn reach_server(&self) -> io::Result<TcpStream> {
        let mut behaviour = self.behaviour.clone();
        let open = behaviour.wait_for(|now| now.to_server != Lane::Hold).await;
        drop(open.map_err(io::Error::other)?);
        let socket = if self.server.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        // Who is cut while this is on its way resets it as well: the server may have accepted it.
        SockRef::from(&socket).set_linger(Some(Duration::ZERO))?;
        let stream = socket.connect(self.server).await?;
        SockRef::from(&stream).set_linger(None)?;
        Ok(stream)
    }

    /// Reads all that comes.
    async fn take(&self, from: &TcpStream, queue: &mpsc::Sender<Piece>, way: Way) {
        loop {
            let content = match read(from).await {
                Ok(bytes) if bytes.is_empty() => Content::Closed,
                Ok(bytes) => Content::Bytes(bytes),
                Err(_) => Content::Reset,
            };
            let last = match &content {
                Content::Bytes(bytes) => {
                    let bytes = bytes.len() as u64;
                    self.counts.change(|counts| way.count_taken(counts, bytes));
                    false
                }
                Content::Closed | Content::Reset => true,
            };
            let arrived = Instant::now();
            let piece = Piece { arrived, content };
            if queue.send(piece).await.is_err() || last {
                return;
            }
        }
    }

    /// Writes what has come, as far as the lane lets it.
    async fn pass(
        &self,
        mut queue: mpsc::Receiver<Piece>,
        to: &TcpStream,
        way: Way,
    ) -> Result<(), End> {
        let mut gate = Gate::new(self.behaviour.clone(), way);
        while let Some(piece) = queue.recv().await {
            let bytes = match piece.content {
                Content::Bytes(bytes) => bytes,
                Content::Closed => {
                    gate.open(piece.arrived, 0).await;
                    drop(SockRef::from(to).shutdown(Shutdown::Write));
                    return Ok(());
                }
                Content::Reset => {
                    gate.open(piece.arrived, 0).await;
                    return Err(End::Reset);
                }
            };
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let count = gate.open(piece.arrived, rest.len()).await;
                let (now, later) = rest.split_at(count);
                write(to, now).await.map_err(|_| End::Reset)?;
                self.counts
                    .change(|counts| way.count_passed(counts, count as u64));
                rest = later;
                if gate.is_spent() {
                    drop(SockRef::from(to).shutdown(Shutdown::Write));
                    return Err(End::Cut(way));
                }
            }
        }
        Ok(())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.counts.change(|counts| counts.open -= 1);
    }
}

/// What lets the bytes of one lane pass, a few or all at a time.
struct Gate {
    behaviour: watch::Receiver<Behaviour>,
    way: Way,
    lane: Lane,
    /// Bytes let pass since the behaviour was last set.
    passed: u64,
    /// When a throttled lane lets the next bytes pass.
    next: Instant,
}

impl Gate {
    fn new(mut behaviour: watch::Receiver<Behaviour>, way: Way) -> Self {
        let lane = way.lane(&behaviour.borrow_and_update());
        Self {
            behaviour,
            way,
            lane,
            passed: 0,
            next: Instant::now(),
        }
    }

    /// Waits until some of `waiting` bytes that came at `arrived` may pass; how many.
    async fn open(&mut self, arrived: Instant, waiting: usize) -> usize {
        loop {
            // The proxy holds the other end as long as it lives, and this does not outlive it.
            if self.behaviour.has_changed().unwrap_or_default() {
                *self = Self::new(self.behaviour.clone(), self.way);
            }
            let due = match self.lane {
                Lane::Pass | Lane::CutAfter(_) => Some(arrived),
                Lane::Delay(delay) => arrived.checked_add(delay),
                Lane::Hold => None,
                Lane::Throttle(_) if waiting == 0 => Some(arrived),
                Lane::Throttle(_) => Some(self.next),
            };
            if due.is_some_and(|due| due <= Instant::now()) {
                return self.let_pass(waiting);
            }
            select! {
                _ = self.behaviour.changed() => {
                    // `changed` has marked it as seen.
                    *self = Self::new(self.behaviour.clone(), self.way);
                }
                () = until(due) => {}
            }
        }
    }

    fn let_pass(&mut self, waiting: usize) -> usize {
        let most = match self.lane {
            Lane::CutAfter(bytes) => bytes.saturating_sub(self.passed),
            Lane::Throttle(per_second) => u64::from((per_second / STEPS_PER_S).max(1)),
            Lane::Pass | Lane::Delay(_) | Lane::Hold => u64::MAX,
        };
        let count = waiting.min(usize::try_from(most).unwrap_or(usize::MAX));
        self.passed += count as u64;
        if let Lane::Throttle(per_second) = self.lane {
            let nanos = count as u64 * 1_000_000_000 / u64::from(per_second.max(1));
            self.next = self.next.max(Instant::now()) + Duration::from_nanos(nanos);
        }
        count
    }

    /// Whether nothing more is to pass and the lane is to be cut.
    fn is_spent(&self) -> bool {
        matches!(self.lane, Lane::CutAfter(bytes) if self.passed >= bytes)
    }
}

/// Does `work` on the side while `main` lasts.
async fn beside<T>(work: impl Future<Output = ()>, main: impl Future<Output = T>) -> T {
    pin!(main);
    select! {
        biased;
        done = &mut main => done,
        () = work => main.await,
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

async fn read(from: &TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; PIECE_BYTES];
    loop {
        from.readable().await?;
        match from.try_read(&mut bytes) {
            Ok(count) => {
                bytes.truncate(count);
                return Ok(bytes);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

async fn write(to: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        to.writable().await?;
        match to.try_write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads until the other side closes.
async fn exhaust(from: Option<&TcpStream>) {
    let Some(from) = from else { return };
    while read(from).await.is_ok_and(|bytes| !bytes.is_empty()) {}
}

/// Makes the other side see a reset when the connection is closed.
fn reset(stream: Option<&TcpStream>) {
    if let Some(stream) = stream {
        // One that is gone already needs none.
        drop(SockRef::from(stream).set_linger(Some(Duration::ZERO)));
    }
}
