//! The manifest: what a batch came to, for programs that read it afterwards.

use std::collections::BTreeMap;

use std::io::Write;

use serde::{Deserialize, Serialize};

use crate::error::FileError;
use crate::files::{Files, create, rename, sync_folder};
use crate::history::History;
use crate::input::Input;
use crate::journal::record::{Done, DoneKind, Record};
use crate::states::count;
use crate::{LineId, Tokens, Totals};

/// Version of the manifest's shape.
const MANIFEST_VERSION: u32 = 1;

/// How many names are listed.
const NAMES_MAX: usize = 1_000;

/// Why a run ended; a word for the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunEnd {
    /// Nothing is left to do.
    Complete,
    /// Somebody asked for it.
    Interrupted,
    /// A limit of the run was reached: costs, tokens, errors, time.
    Limit,
    /// It could not go on.
    Failed,
}

/// What a batch came to; `FILE.manifest.json` beside the results.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this document's shape.
    pub manifest_version: u32,
    /// Version of the program.
    pub paceline_version: String,
    /// The input.
    pub input: ManifestInput,
    /// How many lines came to what.
    pub lines: ManifestLines,
    /// Tokens of all results and errors.
    pub tokens: Tokens,
    /// Their cost.
    pub cost: ManifestCost,
    /// The same by model.
    pub models: BTreeMap<String, ManifestModel>,
    /// Failed lines by code: that of the failure, that in the answer, or `http_STATUS`.
    pub errors: BTreeMap<String, u32>,
    /// Lines that may be billed twice: a run ended after it sent them and before the answer was on disk.
    pub possibly_sent_twice: ManifestTwice,
    /// The runs that it took.
    pub runs: Vec<ManifestRun>,
}

/// The input of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestInput {
    /// Path, or `-` for standard input.
    pub path: String,
    /// XXH3-128 of its bytes, as 32 hexadecimal digits.
    pub digest: String,
    /// Bytes.
    pub bytes: u64,
}

/// Counts of lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestLines {
    /// All of the input's.
    pub total: u32,
    /// Those with an answer in the results.
    pub ok: u32,
    /// Those that failed.
    pub failed: u32,
    /// Those that could not be sent.
    pub invalid: u32,
    /// Those that are still to be done.
    pub left: u32,
    /// Results that were dropped in the course of time: their lines were edited or removed, or tried again.
    pub dropped_stale: u64,
}

/// Money, in billionths of a dollar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestCost {
    /// What results and errors cost, as far as prices are known.
    pub nanousd: u64,
    /// How many have no price.
    pub unpriced: u32,
    /// What the dropped ones had cost, beside that.
    pub dropped_nanousd: u64,
}

/// What one model did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestModel {
    /// Lines with an answer in the results.
    pub ok: u32,
    /// Lines that failed.
    pub failed: u32,
    /// Tokens.
    pub tokens: Tokens,
    /// Cost as far as prices are known, in billionths of a dollar.
    pub cost_nanousd: u64,
    /// How many have no price.
    pub unpriced: u32,
}

/// Lines that may be billed twice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestTwice {
    /// How many.
    pub total: u32,
    /// Names of the first, 1,000 at most.
    pub custom_ids: Vec<String>,
}

/// One run of the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestRun {
    /// When it began, in milliseconds since 1970.
    pub started_ms: u64,
    /// When it ended; absent: it was killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<u64>,
    /// Why it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<RunEnd>,
}

/// Sums over the ends of requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sums {
    pub(crate) totals: Totals,
    models: BTreeMap<String, ManifestModel>,
    errors: BTreeMap<String, u32>,
}

impl Sums {
    pub(crate) fn add(&mut self, done: &Done) {
        if done.kind != DoneKind::Ok {
            let code = match &done.code {
                Some(code) => code.clone(),
                None => format!("http_{}", done.status),
            };
            *self.errors.entry(code).or_default() += 1;
        }
        if done.kind == DoneKind::Invalid {
            return;
        }
        let unpriced = u32::from(done.cost_nanousd.is_none());
        let cost_nanousd = done.cost_nanousd.unwrap_or(0);
        let totals = &mut self.totals;
        totals.tokens.add(done.tokens);
        totals.cost_nanousd = totals.cost_nanousd.saturating_add(cost_nanousd);
        totals.unpriced += unpriced;
        if let Some(model) = &done.model {
            if !self.models.contains_key(model) {
                self.models.insert(model.clone(), ManifestModel::default());
            }
            let Some(of_model) = self.models.get_mut(model) else {
                return;
            };
            match done.kind {
                DoneKind::Ok => of_model.ok += 1,
                DoneKind::Failed | DoneKind::Invalid => of_model.failed += 1,
            }
            of_model.tokens.add(done.tokens);
            of_model.cost_nanousd = of_model.cost_nanousd.saturating_add(cost_nanousd);
            of_model.unpriced += unpriced;
        }
    }
}

impl Manifest {
    /// What a journal comes to.
    pub(crate) fn of(history: &History, input: &Input) -> Self {
        let found = count(&history.states);
        let twice = history
            .states
            .iter()
            .zip(0..)
            .filter(|(state, _)| state.is_twice());
        let twice: Vec<_> = twice.map(|(_, id)| LineId(id)).collect();
        let totals = history.sums.totals;
        Self {
            manifest_version: MANIFEST_VERSION,
            paceline_version: env!("CARGO_PKG_VERSION").to_owned(),
            input: ManifestInput {
                path: input.shown.clone(),
                digest: format!("{:032x}", input.index.digest),
                bytes: input.index.bytes,
            },
            lines: ManifestLines {
                total: found.total,
                ok: found.done_ok,
                failed: found.done_failed,
                invalid: found.invalid,
                left: found.to_do,
                dropped_stale: history.dropped,
            },
            tokens: totals.tokens,
            cost: ManifestCost {
                nanousd: totals.cost_nanousd,
                unpriced: totals.unpriced,
                dropped_nanousd: history.dropped_nanousd,
            },
            models: history.sums.models.clone(),
            errors: history.sums.errors.clone(),
            possibly_sent_twice: ManifestTwice {
                total: twice.len() as u32,
                custom_ids: twice
                    .iter()
                    .take(NAMES_MAX)
                    .map(|id| input.name(*id))
                    .collect(),
            },
            runs: runs(&history.runs),
        }
    }

    /// Puts it beside the results, whole or not at all.
    pub(crate) fn write(&self, files: &Files) -> Result<(), FileError> {
        let new = files.folder.join("manifest.new");
        let failed = FileError::of("write", &new);
        let mut file = create(&new, false)?;
        let mut text = serde_json::to_vec_pretty(self).map_err(|error| failed(error.into()))?;
        text.push(b'\n');
        file.write_all(&text)
            .and_then(|()| file.sync_all())
            .map_err(failed)?;
        rename(&new, &files.manifest)?;
        sync_folder(files.parent())
    }
}

fn runs(records: &[Record]) -> Vec<ManifestRun> {
    let mut runs: Vec<ManifestRun> = Vec::new();
    for record in records {
        match record {
            Record::Started(started) => runs.push(ManifestRun {
                started_ms: started.at_ms,
                ended_ms: None,
                end: None,
            }),
            Record::Ended { at_ms, end } => {
                if let Some(run) = runs.last_mut() {
                    (run.ended_ms, run.end) = (Some(*at_ms), Some(*end));
                }
            }
            _ => {}
        }
    }
    runs
}
