//! All files and batches of a gateway: in memory to look at, on disk to stay.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderName};
use paceline_batch::Pricing;
use paceline_config::Batches as BatchSettings;
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use url::Url;

use super::drive;
use super::object::{RunAs, StoredBatch, StoredFile};
use crate::clock::unix_ms_now;
use crate::memory::Salt;

/// Proves that a call is a line of a batch that runs here.
const RUN_HEADER: HeaderName = HeaderName::from_static("x-paceline-batch-run");

/// The most files and the most batches that are known at once.
const FILES_MAX: usize = 100_000;
const BATCHES_MAX: usize = 100_000;

/// What is known.
#[derive(Debug, Default)]
struct Known {
    files: HashMap<String, StoredFile>,
    batches: HashMap<String, StoredBatch>,
    /// Keys of owners whose batches are not over; never on disk.
    keys: HashMap<String, HeaderMap>,
    /// Batches that run, by what their lines prove it with.
    runs: HashMap<String, RunAs>,
}

/// Files and batches, and what runs them.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(super) settings: BatchSettings,
    /// Where lines are sent: the gateway itself.
    pub(super) address: Url,
    /// What lines cost.
    pub(super) pricing: Pricing,
    /// Where batches run.
    control: Handle,
    pub(super) permits: Semaphore,
    /// Counts changes that a waiting batch may have waited for.
    pub(super) changes: watch::Sender<u64>,
    pub(super) stopping: watch::Sender<bool>,
    /// Batches that are being driven.
    pub(super) driven: watch::Sender<usize>,
    known: Mutex<Known>,
    /// Held while something is written, so that what is newer is written later.
    writing: Mutex<()>,
    bytes: AtomicU64,
    _lock: File,
}

impl Desk {
    /// Opens the folder, which this process has for itself from then on. Blocks.
    ///
    /// # Errors
    /// In words: the folder cannot be used, or somebody else has it.
    pub(crate) fn open(
        settings: BatchSettings,
        address: Url,
        pricing: Pricing,
        control: &Handle,
    ) -> Result<Self, String> {
        let folder = settings.folder.clone();
        let failed = |error: io::Error| format!("batches.folder {}: {error}", folder.display());
        for name in ["files", "batches"] {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder.join(name))
                .map_err(failed)?;
        }
        let lock = create(&folder.join("lock")).map_err(failed)?;
        lock.try_lock().map_err(|_| {
            format!(
                "batches.folder {} is in use by another gateway",
                folder.display()
            )
        })?;
        let mut known = Known::default();
        for file in stored::<StoredFile>(&folder.join("files")).map_err(failed)? {
            known.files.insert(file.id.clone(), file);
        }
        for batch in stored::<StoredBatch>(&folder.join("batches")).map_err(failed)? {
            known.batches.insert(batch.id.clone(), batch);
        }
        let bytes = known.files.values().map(|file| file.bytes).sum();
        let desk = Self {
            address,
            pricing,
            control: control.clone(),
            permits: Semaphore::new(settings.running_max as usize),
            changes: watch::Sender::new(0),
            stopping: watch::Sender::new(false),
            driven: watch::Sender::new(0),
            known: Mutex::new(known),
            writing: Mutex::new(()),
            bytes: AtomicU64::new(bytes),
            _lock: lock,
            settings,
        };
        desk.clear_remains().map_err(failed)?;
        Ok(desk)
    }

    /// What owners are hashed with in this folder. At first that is `salt`, which is on disk from then on,
    /// before anybody owns anything: whoever hashed otherwise would not find the owner again. Blocks.
    pub(crate) fn keep_salt(&self, salt: Salt) -> Salt {
        let folder = &self.settings.folder;
        let kept = match fs::read(folder.join("salt.json")) {
            Ok(text) => serde_json::from_slice(&text).map_err(io::Error::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                write_json(folder, "salt", &salt).map(|()| salt)
            }
            Err(error) => Err(error),
        };
        kept.unwrap_or_else(|error| {
            let folder = folder.display();
            tracing::error!(
                %folder, %error,
                "what owners of files and batches are told by is not kept: they may not find them again"
            );
            salt
        })
    }

    /// Removes what a crash left of uploads and of files whose removal had begun.
    fn clear_remains(&self) -> io::Result<()> {
        for entry in fs::read_dir(self.settings.folder.join("files"))? {
            let path = entry?.path();
            let id = path
                .file_stem()
                .map(|name| name.to_string_lossy().into_owned());
            let is_known = id.is_some_and(|id| self.known.lock().files.contains_key(&id));
            let ends = |with: &str| path.extension().is_some_and(|end| end == with);
            // Outputs of a batch that was about to end are made again.
            if ends("part") || ends("jsonl") && !is_known {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    /// Where the content of a file is.
    pub(super) fn content_path(&self, id: &str) -> PathBuf {
        self.settings
            .folder
            .join("files")
            .join(format!("{id}.jsonl"))
    }

    /// Where the work of a batch is.
    pub(super) fn work_path(&self, id: &str) -> PathBuf {
        self.settings.folder.join("batches").join(id)
    }

    pub(super) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Tells all that wait that something has changed.
    pub(super) fn tell(&self) {
        self.changes
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Drives a batch on the gateway's own runtime.
    pub(super) fn start(self: &Arc<Self>, id: String) {
        drop(self.control.spawn(drive::begin(self, id)));
    }

    /// Lets what runs come to its end, and nothing begin.
    pub(crate) fn stop(&self) {
        self.stopping.send_replace(true);
        self.tell();
    }

    /// Returns when nothing runs any more.
    pub(crate) async fn stopped(&self) {
        let mut driven = self.driven.subscribe();
        drop(driven.wait_for(|count| *count == 0).await);
    }

    /// Counts bytes that are on disk whether or not there is room.
    pub(super) fn count_bytes(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Takes room for so many bytes on disk; whether there is.
    pub(super) fn take_room(&self, bytes: u64) -> bool {
        let most = self.settings.files_bytes_total;
        let taken = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let fits = taken.saturating_add(bytes) <= most;
        if !fits {
            self.give_room(bytes);
        }
        fits
    }

    pub(super) fn give_room(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Takes note of a file whose content is there and whose room is taken. Blocks.
    pub(super) fn add_file(&self, file: StoredFile) -> io::Result<()> {
        {
            let _writing = self.writing.lock();
            let folder = self.settings.folder.join("files");
            write_json(&folder, &file.id, &file)?;
        }
        self.known.lock().files.insert(file.id.clone(), file);
        Ok(())
    }

    pub(super) fn is_full(&self) -> bool {
        let known = self.known.lock();
        known.files.len() >= FILES_MAX || known.batches.len() >= BATCHES_MAX
    }

    pub(super) fn file(&self, id: &str) -> Option<StoredFile> {
        self.known.lock().files.get(id).cloned()
    }

    pub(super) fn batch(&self, id: &str) -> Option<StoredBatch> {
        self.known.lock().batches.get(id).cloned()
    }

    /// Files of an owner, the newest first.
    pub(super) fn files_of(&self, owner: &str) -> Vec<StoredFile> {
        let known = self.known.lock();
        let own = known.files.values().filter(|file| file.owner == owner);
        let mut own: Vec<_> = own.cloned().collect();
        own.sort_by(|a, b| (b.created_ms, &b.id).cmp(&(a.created_ms, &a.id)));
        own
    }

    /// Batches of an owner, the newest first.
    pub(super) fn batches_of(&self, owner: &str) -> Vec<StoredBatch> {
        let known = self.known.lock();
        let own = known.batches.values().filter(|batch| batch.owner == owner);
        let mut own: Vec<_> = own.cloned().collect();
        own.sort_by(|a, b| (b.created_ms, &b.id).cmp(&(a.created_ms, &a.id)));
        own
    }

    /// Ids of batches that are not over.
    pub(super) fn open_batches(&self) -> Vec<String> {
        let known = self.known.lock();
        let open = known
            .batches
            .values()
            .filter(|batch| !batch.status.is_over());
        open.map(|batch| batch.id.clone()).collect()
    }

    /// Removes a file. Blocks.
    pub(super) fn remove_file(&self, id: &str) -> io::Result<()> {
        let Some(file) = self.known.lock().files.remove(id) else {
            return Ok(());
        };
        self.give_room(file.bytes);
        // The description first: content without one is cleared at the next start.
        let folder = self.settings.folder.join("files");
        remove_if_there(&folder.join(format!("{id}.json")))?;
        remove_if_there(&self.content_path(id))
    }

    /// Takes note of a new batch. Blocks.
    pub(super) fn add_batch(&self, batch: StoredBatch) -> io::Result<()> {
        {
            let _writing = self.writing.lock();
            let folder = self.settings.folder.join("batches");
            write_json(&folder, &batch.id, &batch)?;
        }
        self.known.lock().batches.insert(batch.id.clone(), batch);
        Ok(())
    }

    /// Changes a batch, for those who look at it.
    pub(super) fn change<T>(
        &self,
        id: &str,
        change: impl FnOnce(&mut StoredBatch) -> T,
    ) -> Option<T> {
        self.known.lock().batches.get_mut(id).map(change)
    }

    /// Writes down how a batch stands now. Blocks.
    pub(super) fn keep(&self, id: &str) -> io::Result<()> {
        let _writing = self.writing.lock();
        let Some(batch) = self.batch(id) else {
            return Ok(());
        };
        write_json(&self.settings.folder.join("batches"), id, &batch)
    }

    /// Removes what is older than it may be. Blocks.
    pub(super) fn remove_old(&self) -> io::Result<()> {
        let now_ms = now_ms();
        let kept_ms = i64::from(self.settings.retention_days) * 86_400_000;
        let (files, batches) = {
            let known = self.known.lock();
            let files = known
                .files
                .values()
                .filter(|file| file.expires_ms <= now_ms);
            let batches = known.batches.values();
            let batches = batches.filter(|batch| {
                batch.status.is_over() && batch.created_ms.saturating_add(kept_ms) <= now_ms
            });
            let files: Vec<_> = files.map(|file| file.id.clone()).collect();
            (
                files,
                batches.map(|batch| batch.id.clone()).collect::<Vec<_>>(),
            )
        };
        for id in files {
            self.remove_file(&id)?;
        }
        for id in batches {
            self.known.lock().batches.remove(&id);
            remove_if_there(
                &self
                    .settings
                    .folder
                    .join("batches")
                    .join(format!("{id}.json")),
            )?;
        }
        Ok(())
    }

    /// Keeps the key of an owner in memory, where a batch of theirs needs it.
    pub(super) fn note_key(&self, owner: &str, headers: &HeaderMap) {
        let mut known = self.known.lock();
        if known.keys.contains_key(owner) {
            return;
        }
        let waits = known
            .batches
            .values()
            .any(|batch| batch.owner == owner && batch.run_as.needs_key && !batch.status.is_over());
        if waits {
            known.keys.insert(owner.to_owned(), headers.clone());
            drop(known);
            self.tell();
        }
    }

    /// Forgets keys that no batch needs any more.
    pub(super) fn drop_keys(&self) {
        let mut known = self.known.lock();
        let Known { keys, batches, .. } = &mut *known;
        keys.retain(|owner, _| {
            let mut own = batches.values().filter(|batch| batch.owner == *owner);
            own.any(|batch| batch.run_as.needs_key && !batch.status.is_over())
        });
    }

    /// The key that lines of a batch go with; `None`: it is not known.
    pub(super) fn key_of(&self, batch: &StoredBatch) -> Option<HeaderMap> {
        if !batch.run_as.needs_key {
            return Some(HeaderMap::new());
        }
        self.known.lock().keys.get(&batch.owner).cloned()
    }

    /// Lets lines of a batch in until what is returned is dropped.
    pub(super) fn admit(self: &Arc<Self>, run_as: &RunAs) -> Admission {
        let token = random_id("");
        let mut known = self.known.lock();
        known.runs.insert(token.clone(), run_as.clone());
        let desk = Arc::clone(self);
        Admission { desk, token }
    }

    /// Whose call this is, where it is a line of a batch that runs here.
    pub(crate) fn run_of(&self, headers: &HeaderMap) -> Option<RunAs> {
        let token = headers.get(RUN_HEADER)?.to_str().ok()?;
        self.known.lock().runs.get(token).cloned()
    }
}

/// Lets lines of one batch in.
#[derive(Debug)]
pub(super) struct Admission {
    desk: Arc<Desk>,
    token: String,
}

impl Admission {
    /// What lines prove it with.
    pub(super) fn header(&self) -> (HeaderName, String) {
        (RUN_HEADER, self.token.clone())
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.desk.known.lock().runs.remove(&self.token);
    }
}

pub(super) fn now_ms() -> i64 {
    i64::try_from(unix_ms_now()).unwrap_or(i64::MAX)
}

/// A name that nobody guesses: 192 random bits.
pub(super) fn random_id(prefix: &str) -> String {
    let mut bytes = [0_u8; 24];
    if getrandom::fill(&mut bytes).is_err() {
        tracing::error!("the system gives no random numbers");
        std::process::abort();
    }
    let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
    format!("{prefix}{}", digits.collect::<String>())
}

/// A new or present file for its owner alone.
pub(super) fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).write(true).mode(0o600);
    options.open(path)
}

pub(super) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes what happened in a folder last.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn write_json(folder: &Path, id: &str, value: &impl Serialize) -> io::Result<()> {
    let next = folder.join(format!("{id}.part"));
    let mut file = create(&next)?;
    file.write_all(&serde_json::to_vec(value)?)?;
    file.sync_all()?;
    fs::rename(&next, folder.join(format!("{id}.json")))?;
    sync_folder(folder)
}

/// Everything that is described in a folder; what cannot be read is told and left alone.
fn stored<T: DeserializeOwned>(folder: &Path) -> io::Result<Vec<T>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|end| end != "json") {
            continue;
        }
        match serde_json::from_slice(&fs::read(&path)?) {
            Ok(value) => all.push(value),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "is not read: it is no description");
            }
        }
    }
    Ok(all)
}
