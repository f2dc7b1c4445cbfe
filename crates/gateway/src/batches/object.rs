//! Files and batches as they are kept, and as OpenAI's API shows them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct StoredFile {
    pub(super) id: String,
    /// Who may see it.
    pub(super) owner: String,
    /// `batch` or `batch_output`.
    pub(super) purpose: String,
    pub(super) filename: String,
    pub(super) bytes: u64,
    pub(super) created_ms: i64,
    pub(super) expires_ms: i64,
}

impl StoredFile {
    pub(super) fn view(&self) -> Value {
        json!({
            "id": self.id,
            "object": "file",
            "bytes": self.bytes,
            "created_at": self.created_ms / 1_000,
            "expires_at": self.expires_ms / 1_000,
            "filename": self.filename,
            "purpose": self.purpose,
            "status": "processed",
            "status_details": null,
        })
    }
}

/// Where a batch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    Validating,
    Failed,
    InProgress,
    Finalizing,
    Completed,
    Expired,
    Cancelling,
    Cancelled,
}

impl Status {
    /// Whether nothing more becomes of it.
    pub(super) fn is_over(self) -> bool {
        match self {
            Self::Failed | Self::Completed | Self::Expired | Self::Cancelled => true,
            Self::Validating | Self::InProgress | Self::Finalizing | Self::Cancelling => false,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Validating => "validating",
            Self::Failed => "failed",
            Self::InProgress => "in_progress",
            Self::Finalizing => "finalizing",
            Self::Completed => "completed",
            Self::Expired => "expired",
            Self::Cancelling => "cancelling",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Whose calls the lines of a batch are. No key is in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RunAs {
    pub(super) tenant: String,
    /// Hash of what the owner identified itself with.
    pub(super) credential: u64,
    /// The caller key, where callers need one.
    pub(super) key_id: Option<String>,
    /// Whether lines go to the provider with the owner's own key.
    pub(super) needs_key: bool,
    /// Headers that go with every line and are no secret.
    pub(super) headers: BTreeMap<String, String>,
}

impl RunAs {
    /// The caller key, where callers need one.
    pub(crate) fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// Hash of what the owner identified itself with.
    pub(crate) fn credential(&self) -> u64 {
        self.credential
    }
}

/// Why a batch cannot be executed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct LineError {
    pub(super) code: String,
    pub(super) line: Option<u64>,
    pub(super) message: String,
    pub(super) param: Option<String>,
}

/// Requests of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts {
    pub(super) total: u64,
    pub(super) completed: u64,
    pub(super) failed: u64,
}

/// Tokens of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Usage {
    pub(super) input: u64,
    pub(super) cached: u64,
    pub(super) output: u64,
    pub(super) reasoning: u64,
}

/// Moments in the life of a batch, in seconds since 1970.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Times {
    pub(super) in_progress: Option<i64>,
    pub(super) finalizing: Option<i64>,
    pub(super) completed: Option<i64>,
    pub(super) failed: Option<i64>,
    pub(super) expired: Option<i64>,
    pub(super) cancelling: Option<i64>,
    pub(super) cancelled: Option<i64>,
}

/// How a batch is to end, written down before its files are made, so that they are made once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Ending {
    pub(super) status: Status,
    pub(super) output_file_id: String,
    pub(super) error_file_id: String,
}

/// A batch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct StoredBatch {
    pub(super) id: String,
    /// Who may see it.
    pub(super) owner: String,
    pub(super) run_as: RunAs,
    pub(super) endpoint: String,
    pub(super) input_file_id: String,
    pub(super) metadata: Option<BTreeMap<String, String>>,
    pub(super) created_ms: i64,
    pub(super) expires_ms: i64,
    /// How long its files are kept, in seconds.
    pub(super) output_kept_s: i64,
    pub(super) status: Status,
    pub(super) times: Times,
    pub(super) errors: Vec<LineError>,
    pub(super) counts: Counts,
    pub(super) usage: Option<Usage>,
    pub(super) ending: Option<Ending>,
    pub(super) output_file_id: Option<String>,
    pub(super) error_file_id: Option<String>,
}

impl StoredBatch {
    pub(super) fn view(&self) -> Value {
        let errors =
            (!self.errors.is_empty()).then(|| json!({ "object": "list", "data": self.errors }));
        let usage = self.usage.map(|usage| {
            json!({
                "input_tokens": usage.input,
                "input_tokens_details": { "cached_tokens": usage.cached },
                "output_tokens": usage.output,
                "output_tokens_details": { "reasoning_tokens": usage.reasoning },
                "total_tokens": usage.input.saturating_add(usage.output),
            })
        });
        json!({
            "id": self.id,
            "object": "batch",
            "endpoint": self.endpoint,
            "errors": errors,
            "input_file_id": self.input_file_id,
            "completion_window": "24h",
            "status": self.status.name(),
            "output_file_id": self.output_file_id,
            "error_file_id": self.error_file_id,
            "created_at": self.created_ms / 1_000,
            "in_progress_at": self.times.in_progress,
            "expires_at": self.expires_ms / 1_000,
            "finalizing_at": self.times.finalizing,
            "completed_at": self.times.completed,
            "failed_at": self.times.failed,
            "expired_at": self.times.expired,
            "cancelling_at": self.times.cancelling,
            "cancelled_at": self.times.cancelled,
            "request_counts": self.counts,
            "usage": usage,
            "metadata": self.metadata,
        })
    }

    /// It stands elsewhere from now on.
    pub(super) fn becomes(&mut self, status: Status, now_s: i64) {
        self.status = status;
        let times = &mut self.times;
        let time = match status {
            Status::Validating => return,
            Status::InProgress => &mut times.in_progress,
            Status::Finalizing => &mut times.finalizing,
            Status::Completed => &mut times.completed,
            Status::Failed => &mut times.failed,
            Status::Expired => &mut times.expired,
            Status::Cancelling => &mut times.cancelling,
            Status::Cancelled => &mut times.cancelled,
        };
        time.get_or_insert(now_s);
    }
}
