//! What is said of a batch before and after.

use std::path::Path;

use paceline_batch::{Found, Manifest, Report, RunEnd};
use serde_json::{Value, json};

use crate::exit::{self, Failure};
use crate::figures::{counted, dollars, grouped, span_ms};
use crate::terminal::{Style, plain};

/// Names of lines that may be billed twice that are shown.
const NAMES_SHOWN: usize = 5;

/// Kinds of errors that are shown.
const ERRORS_SHOWN: usize = 10;

/// What was there when the batch was opened.
pub(super) fn found(title: &str, found: &Found) -> Vec<String> {
    let mut lines = Vec::new();
    let done = found.done_ok + found.done_failed;
    let mut head = format!("{}: {}", plain(title), counted(found.total.into(), "line"));
    if done > 0 {
        head.push_str(&format!(", {} done before", grouped(done.into())));
    }
    if found.done_failed > 0 {
        head.push_str(&format!(
            " ({} of them failed)",
            grouped(found.done_failed.into())
        ));
    }
    head.push_str(&format!(", {} to do", grouped(found.to_do.into())));
    lines.push(head);
    if found.invalid > 0 {
        let invalid = counted(found.invalid.into(), "line");
        lines.push(format!(
            "{invalid} cannot be sent: they are in the errors file"
        ));
    }
    if found.stale > 0 {
        let stale = counted(found.stale.into(), "result");
        lines.push(format!(
            "{stale} dropped: edited, removed, or to be tried again"
        ));
    }
    if found.maybe_sent.count > 0 {
        lines.push(maybe_sent(found));
    }
    if found.tail_cut_bytes > 0 {
        let bytes = grouped(found.tail_cut_bytes);
        lines.push(format!(
            "the journal ended in the middle of a record: {bytes} bytes were cut off"
        ));
    }
    lines
}

fn maybe_sent(found: &Found) -> String {
    let count = found.maybe_sent.count;
    let names = found.maybe_sent.first.iter().take(NAMES_SHOWN);
    let names: Vec<_> = names.map(|line| plain(&line.custom_id)).collect();
    let more = u64::from(count).saturating_sub(names.len() as u64);
    let more = match more {
        0 => String::new(),
        more => format!(" and {} more", grouped(more)),
    };
    format!(
        "{} may be billed twice: under way when an earlier run was cut, and sent again now ({}{more}; all \
         are in the manifest)",
        counted(count.into(), "line"),
        names.join(", ")
    )
}

/// The same for programs.
pub(super) fn found_json(found: &Found) -> Value {
    json!({
        "total": found.total,
        "done_ok": found.done_ok,
        "done_failed": found.done_failed,
        "invalid": found.invalid,
        "to_do": found.to_do,
        "stale": found.stale,
        "possibly_sent_twice": found.maybe_sent.count,
    })
}

/// How a run ended.
pub(super) fn report(report: &Report, style: Style) -> Vec<String> {
    let Some(manifest) = &report.manifest else {
        return vec!["the manifest is not written".to_owned()];
    };
    let lines = &manifest.lines;
    let seconds = span_ms(report.progress.elapsed_ms);
    let head = match report.end {
        RunEnd::Complete => format!("done in {seconds}"),
        RunEnd::Interrupted | RunEnd::Limit | RunEnd::Failed => {
            let reason = report.reason.as_deref().unwrap_or("it was cut");
            format!("ended after {seconds}: {}", plain(reason))
        }
    };
    let mut said = vec![style.bold(&head)];
    let mut counts = vec![format!("{} ok", grouped(lines.ok.into()))];
    for (count, what) in [
        (lines.failed, "failed"),
        (lines.invalid, "invalid"),
        (lines.left, "left"),
    ] {
        if count > 0 {
            counts.push(format!("{} {what}", grouped(count.into())));
        }
    }
    said.push(format!(
        "{} of {}",
        counts.join(", "),
        counted(lines.total.into(), "line")
    ));
    said.push(format!(
        "{} input and {} output tokens; {}",
        grouped(manifest.tokens.input),
        grouped(manifest.tokens.output),
        cost(manifest)
    ));
    said.extend(errors(manifest));
    if manifest.possibly_sent_twice.total > 0 {
        let count = counted(manifest.possibly_sent_twice.total.into(), "line");
        said.push(format!("{count} may be billed twice: see the manifest"));
    }
    if lines.left > 0 {
        said.push("the same command goes on with what is left".to_owned());
    }
    said
}

fn cost(manifest: &Manifest) -> String {
    let cost = &manifest.cost;
    let known = format!("${}", dollars(cost.nanousd));
    match cost.unpriced {
        0 => known,
        _ if cost.nanousd == 0 => "cost unknown".to_owned(),
        count => format!(
            "{known} and {} without a price",
            counted(count.into(), "answer")
        ),
    }
}

fn errors(manifest: &Manifest) -> Vec<String> {
    let mut kinds: Vec<_> = manifest.errors.iter().collect();
    kinds.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let line = |(code, count): (&String, &u32)| {
        format!("  {:>8}  {}", grouped((*count).into()), plain(code))
    };
    kinds.into_iter().take(ERRORS_SHOWN).map(line).collect()
}

/// The same for programs.
pub(super) fn report_json(report: &Report) -> Value {
    json!({
        "end": report.end,
        "reason": report.reason,
        "error": report.error.as_ref().map(ToString::to_string),
        "progress": report.progress,
        "manifest": report.manifest,
    })
}

/// The end of a batch with lines that failed.
pub(super) fn failed_lines(manifest: &Manifest, output: &Path) -> Failure {
    let failed = manifest.lines.failed + manifest.lines.invalid;
    let errors = paceline_batch::errors_path(output);
    Failure::new(
        exit::FAILED_LINES,
        format!(
            "{} failed: they are in {}; --retry-failed tries them again",
            counted(failed.into(), "line"),
            errors.display()
        ),
    )
}
