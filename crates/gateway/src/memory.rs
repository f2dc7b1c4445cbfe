//! What was learned outlives the process: limits, charges and estimates in a file of the state
//! folder.
//!
//! The file holds no key and no text: pools are named by the rule, the model, and a salted hash of
//! the credential. Whatever is wrong with it costs what was learned and nothing else: it is moved
//! aside with one line in the log, and everything is learned again.

mod file;
mod hold;
mod record;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use paceline_limiter as limiter;
use paceline_tokens::{Calibrations, OutputLengths};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use self::file::Problem;
use self::hold::Hold;
use self::record::{Payload, PoolRecord};
use crate::clock::unix_seconds_now;
use crate::pace::PoolKey;
use crate::shared::{Learned, MODELS_MAX, Shared};

/// How often the file is written, if something has changed.
const INTERVAL: Duration = Duration::from_secs(30);

/// The most pools that are kept; those that changed last come first.
const POOLS_MAX: usize = 1_000;

/// What a pool knew longer ago than this is not kept: the limiter would not take it up.
const AGE_MAX_SECONDS: u64 = 7 * 86_400;

/// Bytes of the salt of credential hashes.
const SALT_BYTES: usize = 16;

/// Makes hashes of credentials that are the same in every run and cannot be looked up elsewhere.
pub(crate) type Salt = [u8; SALT_BYTES];

/// What a pool knew, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    taken_unix_s: u64,
    memory: limiter::Memory,
}

/// How the latest writes went.
#[derive(Debug)]
struct Written {
    hold: Hold,
    /// What is in the file, or was found at the start.
    digest: Option<[u8; 32]>,
    /// The last write failed, and that was told.
    failing: bool,
}

/// The memory of one gateway.
#[derive(Debug)]
pub(crate) struct Memory {
    path: PathBuf,
    salt: Salt,
    pools: Mutex<HashMap<PoolKey, Known>>,
    /// Held while the file is written, so that one write follows another.
    written: Mutex<Written>,
}

/// What was found at the start.
pub(crate) struct Recalled {
    pub(crate) memory: Memory,
    pub(crate) learned: Learned,
}

impl Memory {
    /// Reads what an earlier run left in `folder` about `upstream`. A file that cannot be used is
    /// moved aside. Where another gateway keeps what it learns in the folder, this one only reads.
    pub(crate) fn load(folder: &Path, upstream: &str) -> Recalled {
        let path = folder.join("learned.json");
        let hold = Hold::take(folder);
        let is_theirs = matches!(hold, Hold::Theirs);
        if is_theirs {
            warn_taken(folder);
        }
        let mut recalled = Self::recall(path, upstream, is_theirs);
        recalled.memory.written.get_mut().hold = hold;
        recalled
    }

    /// The same, only to look at it: whatever is wrong with the file, it stays where it is.
    pub(crate) fn peek(folder: &Path, upstream: &str) -> Recalled {
        Self::recall(folder.join("learned.json"), upstream, true)
    }

    /// What was known last under a rule, whoever's credential it was learned with, and how long ago.
    /// Of rules that learn, for a model.
    pub(crate) fn latest(
        &self,
        rule: &str,
        model: Option<&str>,
    ) -> Option<(limiter::Memory, Duration)> {
        let pools = self.pools.lock();
        let of_rule = pools.iter().filter(|(key, _)| match (key, model) {
            (PoolKey::Configured { rule: known }, None) => **known == *rule,
            (
                PoolKey::Learned {
                    rule: known,
                    model: of,
                    ..
                },
                Some(model),
            ) => **known == *rule && **of == *model,
            _ => false,
        });
        let (_, known) = of_rule.max_by_key(|(_, known)| known.taken_unix_s)?;
        let ago = unix_seconds_now().saturating_sub(known.taken_unix_s);
        Some((known.memory.clone(), Duration::from_secs(ago)))
    }

    /// Whether another gateway keeps what it learns in the folder.
    pub(crate) fn is_theirs(&self) -> bool {
        matches!(self.written.lock().hold, Hold::Theirs)
    }

    /// Hashes credentials in another way, to which others come too. Pools that are named by hashes of
    /// the former way are not found again.
    pub(crate) fn hash_with(&mut self, salt: Salt) {
        if salt != self.salt {
            self.salt = salt;
            let pools = self.pools.get_mut();
            pools.retain(|key, _| matches!(key, PoolKey::Configured { .. }));
        }
    }

    fn recall(path: PathBuf, upstream: &str, is_theirs: bool) -> Recalled {
        let found = file::read(&path, unix_seconds_now()).and_then(|payload| match payload {
            Some(payload) => Self::unpack(&path, &payload, upstream).map(Some),
            None => Ok(None),
        });
        match found {
            Ok(Some(recalled)) => recalled,
            Ok(None) => Self::empty(path),
            Err(problem) => {
                if !is_theirs {
                    put_aside(&path, &problem);
                }
                Self::empty(path)
            }
        }
    }

    fn empty(path: PathBuf) -> Recalled {
        Recalled {
            memory: Self::new(path, fresh_salt(), HashMap::new()),
            learned: Learned::default(),
        }
    }

    fn new(path: PathBuf, salt: Salt, pools: HashMap<PoolKey, Known>) -> Self {
        Self {
            path,
            salt,
            pools: Mutex::new(pools),
            written: Mutex::new(Written {
                hold: Hold::Unknown,
                digest: None,
                failing: false,
            }),
        }
    }

    fn unpack(path: &Path, payload: &Payload, upstream: &str) -> Result<Recalled, Problem> {
        let salt = payload.salt()?;
        let mut pools = HashMap::new();
        for record in &payload.pools {
            let (key, known) = record.unpack()?;
            pools.insert(key, known);
        }
        if payload.upstream != fingerprint(&salt, upstream) {
            tracing::info!(
                file = %path.display(),
                "the limits remembered are those of another upstream; they are learned again"
            );
            pools.clear();
        }
        Ok(Recalled {
            memory: Self::new(path.to_owned(), salt, pools),
            learned: Learned {
                calibrations: Calibrations::import(&payload.calibrations, MODELS_MAX)?,
                output_lengths: OutputLengths::import(&payload.output_lengths, MODELS_MAX)?,
            },
        })
    }

    /// What credentials are hashed with.
    pub(crate) fn salt(&self) -> Salt {
        self.salt
    }

    /// What the pool of `key` knew, and how long ago.
    pub(crate) fn of(&self, key: &PoolKey) -> Option<(limiter::Memory, Duration)> {
        let known = self.pools.lock().get(key).cloned()?;
        let age_seconds = unix_seconds_now().saturating_sub(known.taken_unix_s);
        Some((known.memory, Duration::from_secs(age_seconds)))
    }

    /// Takes what is known now as what the file holds, so that it is written once more is known.
    pub(crate) fn is_up_to_date(&self, shared: &Shared) {
        let mut written = self.written.lock();
        written.digest = self
            .collect(shared, unix_seconds_now())
            .to_json()
            .map(|json| digest(&json))
            .ok();
    }

    /// Writes what is known now, if that is not what the file holds and no other gateway writes it.
    /// Blocks.
    pub(crate) fn save(&self, shared: &Shared) {
        let mut written = self.written.lock();
        if !self.may_write(&mut written) {
            return;
        }
        let now = unix_seconds_now();
        self.put(&mut written, &self.collect(shared, now), now);
    }

    /// Lets another gateway have the folder.
    pub(crate) fn let_go(&self) {
        self.written.lock().hold = Hold::Theirs;
    }

    /// Whether no other gateway writes; if it has ended, this one goes on with what it left.
    fn may_write(&self, written: &mut Written) -> bool {
        if !matches!(written.hold, Hold::Theirs) {
            return true;
        }
        let folder = self.path.parent().unwrap_or(Path::new("."));
        written.hold = Hold::take(folder);
        if matches!(written.hold, Hold::Theirs) {
            return false;
        }
        written.digest = None;
        let left = file::read(&self.path, unix_seconds_now()).ok().flatten();
        if let Some(left) = left {
            self.take_over(&left);
        }
        tracing::info!(
            folder = %folder.display(),
            "the other gateway has let go of the state folder; what is learned here is kept from now on"
        );
        true
    }

    /// Takes over what another gateway knew of pools that were not met here.
    fn take_over(&self, left: &Payload) {
        // Credentials that were hashed otherwise are not recognised.
        if left.salt().ok() != Some(self.salt) {
            return;
        }
        let records = left.pools.iter().filter_map(|record| record.unpack().ok());
        let mut pools = self.pools.lock();
        for (key, theirs) in records {
            let ours = pools.entry(key).or_insert_with(|| theirs.clone());
            if ours.taken_unix_s < theirs.taken_unix_s {
                *ours = theirs;
            }
        }
    }

    fn put(&self, written: &mut Written, payload: &Payload, now: u64) {
        let saved = payload.to_json().and_then(|json| {
            let new = digest(&json);
            if written.digest != Some(new) {
                file::write(&self.path, now, json)?;
            }
            Ok(new)
        });
        match saved {
            Ok(digest) => {
                written.digest = Some(digest);
                if std::mem::take(&mut written.failing) {
                    tracing::info!(file = %self.path.display(), "what was learned is kept again");
                }
            }
            Err(error) if !written.failing => {
                written.failing = true;
                warn_unkept(&self.path, &error);
            }
            Err(_) => {}
        }
    }

    /// Everything that is known now.
    fn collect(&self, shared: &Shared, now: u64) -> Payload {
        let upstream = shared.live().settings.upstream.base_url.to_string();
        let pools = self.collect_pools(shared.registry.memories(), now);
        let learned = shared.learned.lock();
        Payload {
            salt: hex(&self.salt),
            upstream: fingerprint(&self.salt, &upstream),
            pools,
            calibrations: learned.calibrations.export(),
            output_lengths: learned.output_lengths.export(),
        }
    }

    fn collect_pools(&self, live: Vec<(PoolKey, limiter::Memory)>, now: u64) -> Vec<PoolRecord> {
        let mut pools = self.pools.lock();
        for (key, memory) in live {
            let nothing = memory.limits.is_empty() && memory.charge.is_none();
            let same = |known: &Known| known.memory == memory;
            if nothing || !key.is_keepable() || pools.get(&key).is_some_and(same) {
                continue;
            }
            let known = Known {
                taken_unix_s: now,
                memory,
            };
            pools.insert(key, known);
        }
        pools.retain(|_, known| now.saturating_sub(known.taken_unix_s) <= AGE_MAX_SECONDS);
        let mut all: Vec<_> = pools.iter().collect();
        let order = |(key, known): &(&PoolKey, &Known)| {
            (std::cmp::Reverse(known.taken_unix_s), (*key).clone())
        };
        all.sort_by_cached_key(order);
        all.truncate(POOLS_MAX);
        let records: Vec<_> = all
            .into_iter()
            .map(|(key, known)| PoolRecord::pack(key, known))
            .collect();
        if pools.len() > POOLS_MAX {
            let oldest = records.last().map_or(0, |record| record.taken_unix_s);
            pools.retain(|_, known| known.taken_unix_s >= oldest);
        }
        records
    }
}

/// Keeps what is learned until the gateway stops, which writes the last of it itself.
pub(crate) async fn keep(shared: Arc<Shared>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = shared.stopped() => return,
        }
        let shared = Arc::clone(&shared);
        let saved = tokio::task::spawn_blocking(move || shared.memory.save(&shared));
        if let Err(error) = saved.await {
            tracing::error!(%error, "keeping what was learned failed");
        }
    }
}

/// Tells what is wrong with the file, and takes it out of the way.
fn put_aside(path: &Path, problem: &Problem) {
    let aside = path.with_extension("json.bad");
    let place = match std::fs::rename(path, &aside) {
        Ok(()) => format!("the file is now {}", aside.display()),
        Err(error) => format!("the file cannot be moved aside: {error}"),
    };
    tracing::warn!(
        file = %path.display(),
        "what was learned earlier {problem}; paceline starts without memory and learns again, {place}"
    );
}

fn warn_unkept(path: &Path, error: &io::Error) {
    tracing::warn!(
        file = %path.display(),
        "what is learned cannot be kept: {error}; paceline goes on, and learns again after a restart; \
         make the folder writable, or choose another with --state-dir"
    );
}

fn warn_taken(folder: &Path) {
    tracing::warn!(
        folder = %folder.display(),
        "another gateway keeps what it learns in this state folder; this one starts with what is there \
         and keeps nothing as long as the other one runs; give each gateway a folder of its own with \
         --state-dir"
    );
}

/// A salt that every gateway comes to that uses this store for this upstream.
pub(crate) fn common_salt(prefix: &str, upstream: &str) -> Salt {
    let digest = Sha256::new()
        .chain_update("paceline store\0")
        .chain_update(prefix)
        .chain_update("\0")
        .chain_update(upstream)
        .finalize();
    let mut salt = Salt::default();
    for (byte, hashed) in salt.iter_mut().zip(digest) {
        *byte = hashed;
    }
    salt
}

fn fresh_salt() -> Salt {
    let mut salt = Salt::default();
    if getrandom::fill(&mut salt).is_err() {
        // What the standard library found for its maps is better than nothing.
        let state = RandomState::new();
        for (index, chunk) in salt.chunks_mut(8).enumerate() {
            let bytes = state.hash_one(index).to_le_bytes();
            chunk.copy_from_slice(bytes.get(..chunk.len()).unwrap_or_default());
        }
    }
    salt
}

/// A hash of the upstream, whose address may hold what is nobody's business.
fn fingerprint(salt: &Salt, upstream: &str) -> String {
    let hash = Sha256::new().chain_update(salt).chain_update(upstream);
    hex(hash.finalize().get(..8).unwrap_or_default())
}

fn digest(json: &serde_json::value::RawValue) -> [u8; 32] {
    Sha256::digest(json.get()).into()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;
