//! What of a batch is done already, without touching its files.

use std::sync::Arc;

use crate::error::OpenError;
use crate::files::Files;
use crate::history::Reading;
use crate::input::{Input, shown};
use crate::states::State;
use crate::{Item, Job, LineState, Source};

/// Lines that have a result.
#[derive(Clone, Debug)]
pub struct DoneBefore {
    states: Arc<[State]>,
    /// How many.
    pub lines: u64,
    /// What they cost, as far as prices were known, in billionths of a dollar.
    pub cost_nanousd: u64,
}

impl DoneBefore {
    /// Whether a request has a result, and is not sent again.
    #[must_use]
    pub fn has(&self, item: &Item) -> bool {
        let state = self.states.get(item.id.0 as usize);
        state.is_some_and(|state| is_settled(*state))
    }
}

fn is_settled(state: State) -> bool {
    matches!(
        state.shown(),
        LineState::DoneOk | LineState::DoneFailed | LineState::Invalid
    )
}

/// What earlier runs of a batch have done; `None` where there was none. Reads the input and the journal,
/// changes neither, and takes no lock: a run that goes on meanwhile will have done more. Standard input
/// can be read only once, and so nothing is known of it.
///
/// # Errors
/// As when the batch is opened.
pub fn done_before(job: &Job) -> Result<Option<DoneBefore>, OpenError> {
    let Source::File(path) = &job.input else {
        return Ok(None);
    };
    let files = Files::of(&job.output);
    let header = match files.header()? {
        _ if job.options.restart => return Ok(None),
        None => return Ok(None),
        Some(Ok(header)) => header,
        Some(Err(what)) => {
            return Err(OpenError::Journal {
                path: files.journal().display().to_string(),
                what,
            });
        }
    };
    let input = Input::open(path, shown(&job.input), &job.options)?;
    let reading = Reading {
        files: &files,
        header,
        input: &input,
        retries_failed: job.options.retry_failed,
        is_over: true,
    };
    let history = reading.history()?;
    let lines = history
        .states
        .iter()
        .filter(|state| state.is_done())
        .count();
    Ok(Some(DoneBefore {
        lines: lines as u64,
        cost_nanousd: history.sums.totals.cost_nanousd,
        states: history.states.into(),
    }))
}
