//! Asking a run that goes on in another process: a socket in the batch's folder.
//!
//! Each connection carries one question and its answer, one line of JSON each. Whoever may enter the folder
//! may ask.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::control::{Control, Orders, Progress, Stop};
use super::window::Concurrency;

/// Name of the socket in the batch's folder.
const SOCKET: &str = "control";

/// Longest question.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// How long either side waits for the other.
const PATIENCE: Duration = Duration::from_secs(5);

/// Pause after a connection that could not be taken.
const REST: Duration = Duration::from_millis(100);

/// What a run can be asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
pub enum Ask {
    /// Where it stands.
    Status,
    /// Send nothing new.
    Pause,
    /// Go on.
    Resume,
    /// End.
    Stop {
        /// Without waiting for what runs.
        now: bool,
    },
    /// Change how it is run; what is left out stays.
    Set(Change),
}

/// Other orders for a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Change {
    /// Requests at once; 0: as many as the quota keeps busy.
    pub concurrency: Option<usize>,
    /// See [`StopAt`](super::StopAt).
    pub cost_nanousd: Option<u64>,
    /// See [`StopAt`](super::StopAt).
    pub tokens: Option<u64>,
    /// See [`StopAt`](super::StopAt).
    pub errors: Option<u64>,
    /// When to end, in milliseconds since 1970.
    pub until_unix_ms: Option<u64>,
}

impl Change {
    fn make(&self, orders: &mut Orders) {
        match self.concurrency {
            None => {}
            Some(0) => orders.concurrency = Concurrency::default(),
            Some(count) => orders.concurrency = Concurrency::Fixed(count),
        }
        let stop_at = &mut orders.stop_at;
        stop_at.cost_nanousd = self.cost_nanousd.or(stop_at.cost_nanousd);
        stop_at.tokens = self.tokens.or(stop_at.tokens);
        stop_at.errors = self.errors.or(stop_at.errors);
        let until = self.until_unix_ms.map(Duration::from_millis);
        stop_at.time = until.map(|since| UNIX_EPOCH + since).or(stop_at.time);
    }
}

/// What a run answers: where it stands after what was asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answered {
    /// It did so.
    Progress(Box<Progress>),
    /// It does not understand.
    Error(String),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens.
    #[error("no batch runs for {0}: start it with `paceline batch run`")]
    NotRunning(String),
    /// What came is no answer.
    #[error("the batch gives no answer that can be read: {0}")]
    Unreadable(String),
}

/// Answers for as long as it lives.
#[derive(Debug)]
pub(super) struct Remote {
    path: PathBuf,
    task: JoinHandle<()>,
}

impl Remote {
    /// Listens in the batch's folder, whose lock is held: a socket that is there was left by a run that is gone.
    pub(super) fn listen(folder: &Path, control: Control) -> io::Result<Self> {
        let path = folder.join(SOCKET);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        let task = tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => {
                        let control = control.clone();
                        tokio::spawn(async move {
                            let answered = timeout(PATIENCE, answer(stream, &control)).await;
                            if let Ok(Err(error)) = answered {
                                tracing::debug!(%error, "a question to the batch broke off");
                            }
                        });
                    }
                    Err(_) => tokio::time::sleep(REST).await,
                }
            }
        });
        Ok(Self { path, task })
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.task.abort();
        // Left behind it does no harm: nobody answers.
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn answer(mut stream: UnixStream, control: &Control) -> io::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut line = String::new();
    BufReader::new(reader.take(LINE_BYTES_MAX))
        .read_line(&mut line)
        .await?;
    let answer = match serde_json::from_str::<Ask>(&line) {
        Ok(ask) => {
            obey(control, &ask);
            let mut progress = control.progress();
            progress.paused = control.orders().paused;
            Answered::Progress(Box::new(progress))
        }
        Err(error) => Answered::Error(error.to_string()),
    };
    let mut bytes = serde_json::to_vec(&answer)?;
    bytes.push(b'\n');
    writer.write_all(&bytes).await
}

fn obey(control: &Control, ask: &Ask) {
    match ask {
        Ask::Status => {}
        Ask::Pause => control.pause(),
        Ask::Resume => control.resume(),
        Ask::Stop { now: false } => control.stop(Stop::WhenDone),
        Ask::Stop { now: true } => control.stop(Stop::Now),
        Ask::Set(change) => control.change(|orders| change.make(orders)),
    }
}

/// Asks the run that writes to `output`.
///
/// # Errors
/// [`AskError`].
pub async fn ask(output: &Path, ask: &Ask) -> Result<Progress, AskError> {
    let socket = crate::files::folder(output).join(SOCKET);
    let unreadable = |error: &dyn std::fmt::Display| AskError::Unreadable(error.to_string());
    let Ok(mut stream) = UnixStream::connect(&socket).await else {
        return Err(AskError::NotRunning(output.display().to_string()));
    };
    let mut line = serde_json::to_vec(ask).map_err(|error| unreadable(&error))?;
    line.push(b'\n');
    let asked = async {
        stream.write_all(&line).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, io::Error>(answer)
    };
    let answer = timeout(PATIENCE, asked).await;
    let answer = answer.map_err(|error| unreadable(&error))?;
    let answer = answer.map_err(|error| unreadable(&error))?;
    match serde_json::from_str(&answer).map_err(|error| unreadable(&error))? {
        Answered::Progress(progress) => Ok(*progress),
        Answered::Error(message) => Err(AskError::Unreadable(message)),
    }
}
