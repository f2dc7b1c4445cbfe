//! What the demonstration says and shows on a terminal.

use std::time::Duration;

use super::contestant::Contestant;
use super::report::{Report, Standing};
use super::score::Score;
use super::stage::{Limits, PIECE, REQUESTS_PER_MINUTE, TOKENS_PER_MINUTE};
use crate::figures::{bar, grouped, percent, share, span_ms};
use crate::terminal::Style;

/// Columns of the table: a label and the contestants. They fit 80 columns.
const LABEL_COLUMNS: usize = 28;
const CONTESTANT_COLUMNS: usize = 17;
const BAR_COLUMNS: usize = 10;
const TIME_BAR_COLUMNS: usize = 24;

/// What is about to be seen, and where else.
pub(super) fn title(
    columns: usize,
    limits: Limits,
    page: Option<&str>,
    style: Style,
) -> Vec<String> {
    let quota = format!(
        "One workload, run three times at once, each with a provider key of its own. Each key's \
         quota: {} tokens and {} requests a minute, enforced in pieces of {} s. Three tenants \
         share it: chat asks about once a second; two batch jobs (weights 1 and 3) always have work.",
        grouped(TOKENS_PER_MINUTE),
        REQUESTS_PER_MINUTE,
        PIECE.as_secs()
    );
    let mut lines = vec![style.bold("paceline demo")];
    lines.extend(wrap(&quota, columns.min(100)));
    lines.push(String::new());
    for contestant in Contestant::ALL {
        let about = contestant.about(limits);
        lines.push(format!("  {:<14}{about}", contestant.name()));
    }
    lines.push(String::new());
    if let Some(page) = page {
        lines.push(format!("In a browser: {page}"));
        lines.push(String::new());
    }
    lines
}

/// A picture of the race.
pub(super) fn frame(report: &Report, style: Style) -> Vec<String> {
    let done = report.elapsed.as_secs_f64() / report.length.as_secs_f64();
    let mut lines = vec![
        format!("{}  {}", bar(done, TIME_BAR_COLUMNS), clock(report)),
        String::new(),
    ];
    lines.extend(table(&report.standings, style));
    lines
}

/// The same in a line for each contestant.
pub(super) fn lines(report: &Report) -> Vec<String> {
    let line = |standing: &Standing| {
        let score = &standing.score;
        format!(
            "{}  {:<12}  quota {:>5}  429s {:>5}  answered {:>4}  lost {:>4}  chat lost {:>3}, \
             wait p95 {:>6}",
            clock(report),
            standing.name,
            score.quota_used.map_or("-".to_owned(), percent),
            score.refused_429,
            score.answered,
            score.lost,
            score.chat_lost,
            wait(score.chat_wait_p95_ms),
        )
    };
    report.standings.iter().map(line).collect()
}

/// What has been seen.
pub(super) fn conclusion(report: &Report, style: Style) -> Vec<String> {
    let mut lines = table(&report.standings, style);
    if let Some(verdict) = &report.verdict {
        let headline = if verdict.held {
            style.green(verdict.headline)
        } else {
            style.red(verdict.headline)
        };
        lines.extend([String::new(), headline, verdict.limits.to_owned()]);
    }
    lines
}

fn clock(report: &Report) -> String {
    let seconds = |time: Duration| time.as_secs();
    format!(
        "{:>3} s of {} s",
        seconds(report.elapsed),
        seconds(report.length)
    )
}

/// All contestants side by side.
fn table(standings: &[Standing], style: Style) -> Vec<String> {
    let line = |label: &str, cell: &dyn Fn(&Standing) -> String| {
        let cells: String = standings
            .iter()
            .map(|standing| format!("{:>CONTESTANT_COLUMNS$}", cell(standing)))
            .collect();
        format!("{label:<LABEL_COLUMNS$}{cells}")
    };
    let mut lines = vec![style.bold(&line("", &|standing| standing.name.to_owned()))];
    lines.extend(
        ROWS.iter()
            .map(|(label, cell)| line(label, &|standing| cell(&standing.score))),
    );
    lines
}

/// The label of a row, and what it says of one contestant.
type Row = (&'static str, fn(&Score) -> String);

const ROWS: [Row; 12] = [
    ("quota used, once warmed up", quota),
    ("429s from the provider", |score| grouped(score.refused_429)),
    ("requests answered", |score| grouped(score.answered)),
    ("requests lost", |score| grouped(score.lost)),
    ("under way", |score| grouped(score.under_way)),
    ("tokens of what was answered", |score| {
        grouped(score.tokens_answered)
    }),
    ("chat questions lost", |score| {
        let [lost, asked] = [score.chat_lost, score.chat_asked].map(grouped);
        format!("{lost} of {asked}")
    }),
    ("chat wait (answered), median", |score| {
        wait(score.chat_wait_p50_ms)
    }),
    ("chat wait (answered), 95th %", |score| {
        wait(score.chat_wait_p95_ms)
    }),
    ("batch tokens, weight 1", |score| {
        grouped(score.batch_a_tokens)
    }),
    ("batch tokens, weight 3", |score| {
        grouped(score.batch_b_tokens)
    }),
    ("ratio of the two", ratio),
];

fn quota(score: &Score) -> String {
    let used = score.quota_used;
    let shown = used.map_or("-".to_owned(), percent);
    format!("{} {shown:>5}", bar(used.unwrap_or(0.0), BAR_COLUMNS))
}

fn wait(milliseconds: Option<u64>) -> String {
    milliseconds.map_or("-".to_owned(), span_ms)
}

fn ratio(score: &Score) -> String {
    if score.batch_a_tokens == 0 {
        return "-".to_owned();
    }
    format!(
        "1 : {:.1}",
        share(score.batch_b_tokens, score.batch_a_tokens)
    )
}

/// Breaks text into lines between words.
fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::report;
    use super::*;

    #[test]
    fn every_line_fits_eighty_columns() {
        let style = Style::default();
        let page = Some("http://127.0.0.1:65535/");
        let mut shown = title(80, Limits::Learned, page, style);
        shown.extend(title(80, Limits::Configured, None, style));
        shown.extend(frame(&report(9), style));
        shown.extend(conclusion(&report(53), style));
        for line in shown {
            assert!(line.chars().count() <= 80, "{line:?}");
        }
        for line in lines(&report(53)) {
            assert!(line.chars().count() <= 120, "{line:?}");
        }
    }

    #[test]
    fn the_table_sets_the_contestants_side_by_side() {
        let lines = table(&report(9).standings, Style::default());
        assert_eq!(
            lines[0],
            "                                 retries only       fixed rate         paceline"
        );
        assert_eq!(
            lines[2],
            "429s from the provider                  1,204              120                0"
        );
    }

    #[test]
    fn the_verdict_follows_the_figures() {
        let shown = conclusion(&report(53), Style::default()).join("\n");
        assert!(shown.contains("With paceline, nothing was refused and nothing was lost."));
        assert!(shown.ends_with("it learned them from the provider's answers."));
    }
}
