//! The file as such: whole or not at all, and with a checksum.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use paceline_tokens::StateError;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::hex;
use super::record::Payload;

/// The layout of the file.
pub(super) const VERSION: u64 = 1;

/// A larger file was not written here.
const BYTES_MAX: u64 = 256 << 20;

/// Clocks may be set back by this much without harm: what was just written is taken as of now.
const CLOCK_SLACK_SECONDS: u64 = 60;

/// What is wrong with a file. Follows "what was learned earlier".
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("is not in a file")]
    NoFile,
    #[error("is larger than {} MiB", BYTES_MAX >> 20)]
    TooLarge,
    #[error("is torn or not JSON ({0})")]
    Torn(#[from] serde_json::Error),
    #[error("is of version {0}, this is version {VERSION}")]
    Version(u64),
    #[error("does not match its checksum")]
    Checksum,
    #[error("is {0} s in the future, so that a clock has jumped")]
    Future(u64),
    #[error("makes no sense: {0}")]
    Nonsense(&'static str),
    #[error("holds token estimates that cannot be used: {0}")]
    Tokens(#[from] StateError),
}

/// Read first: what follows may be laid out in any way.
#[derive(Deserialize)]
struct Version {
    version: u64,
}

#[derive(Serialize, Deserialize)]
struct Envelope {
    version: u64,
    written_unix_s: u64,
    checksum: String,
    payload: Box<RawValue>,
}

/// What the file holds; `None` where there is none.
pub(super) fn read(path: &Path, now_unix_s: u64) -> Result<Option<Payload>, Problem> {
    match fs::metadata(path) {
        // A pipe would never end.
        Ok(found) if !found.is_file() => return Err(Problem::NoFile),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Ok(_) => {}
        // A folder that cannot be looked into is told of when it is written to.
        Err(error) => return Err(error.into()),
    }
    let mut bytes = Vec::new();
    let limited = &mut File::open(path)?.take(BYTES_MAX + 1);
    limited.read_to_end(&mut bytes)?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(Problem::TooLarge);
    }
    parse(&bytes, now_unix_s).map(Some)
}

/// What these bytes hold.
pub(super) fn parse(bytes: &[u8], now_unix_s: u64) -> Result<Payload, Problem> {
    let Version { version } = serde_json::from_slice(bytes)?;
    if version != VERSION {
        return Err(Problem::Version(version));
    }
    let envelope: Envelope = serde_json::from_slice(bytes)?;
    if envelope.checksum != checksum(envelope.written_unix_s, &envelope.payload) {
        return Err(Problem::Checksum);
    }
    let ahead = envelope.written_unix_s.saturating_sub(now_unix_s);
    if ahead > CLOCK_SLACK_SECONDS {
        return Err(Problem::Future(ahead));
    }
    let payload: Payload = serde_json::from_str(envelope.payload.get())?;
    let late = |taken: u64| taken > envelope.written_unix_s.saturating_add(CLOCK_SLACK_SECONDS);
    if payload.pools.iter().any(|pool| late(pool.taken_unix_s)) {
        return Err(Problem::Nonsense("a pool is newer than the file"));
    }
    Ok(payload)
}

/// Puts this into the file, which holds what it held or all of this at every moment.
pub(super) fn write(path: &Path, now_unix_s: u64, payload: Box<RawValue>) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700).create(folder)?;
    let envelope = Envelope {
        version: VERSION,
        written_unix_s: now_unix_s,
        checksum: checksum(now_unix_s, &payload),
        payload,
    };
    let mut bytes = serde_json::to_vec(&envelope)?;
    bytes.push(b'\n');
    // Gateways that share a folder must not write to the same one.
    let fresh = path.with_extension(format!("json.{}.tmp", std::process::id()));
    let renamed = write_through(&fresh, &bytes).and_then(|()| fs::rename(&fresh, path));
    if renamed.is_err() {
        // What is left of a full disk is freed; the first error is the one to tell.
        drop(fs::remove_file(&fresh));
    }
    renamed?;
    File::open(folder)?.sync_all()
}

fn write_through(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // One that a crash left may be open to others.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn checksum(written_unix_s: u64, payload: &RawValue) -> String {
    let head = format!("{VERSION}\n{written_unix_s}\n");
    let hash = Sha256::new().chain_update(head).chain_update(payload.get());
    hex(&hash.finalize())
}
