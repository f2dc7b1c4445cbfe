//! What the demonstration says and shows.

use std::time::Duration;

use super::score::Score;
use super::stage::{Limits, PIECE, REQUESTS_PER_MINUTE, TOKENS_PER_MINUTE};
use crate::figures::{bar, grouped, percent, share, span_ms};
use crate::terminal::Style;

/// Columns of the table: a label and the two phases. They fit 80 columns.
const LABEL_COLUMNS: usize = 28;
const PHASE_COLUMNS: usize = 24;
const BAR_COLUMNS: usize = 16;
const TIME_BAR_COLUMNS: usize = 24;

/// One of the two phases.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    length: Duration,
    /// The gateway that the clients call, and how the phase before it went.
    paced: Option<(Limits, Score)>,
}

impl Scene {
    /// The clients call the provider.
    pub(super) fn unpaced(length: Duration) -> Self {
        Self {
            length,
            paced: None,
        }
    }

    /// The clients call the gateway.
    pub(super) fn paced(length: Duration, limits: Limits, before: Score) -> Self {
        Self {
            length,
            paced: Some((limits, before)),
        }
    }

    pub(super) fn length(&self) -> Duration {
        self.length
    }

    /// A picture of the whole demonstration so far.
    pub(super) fn frame(&self, elapsed: Duration, score: &Score, style: Style) -> Vec<String> {
        let (number, name) = match self.paced {
            None => (1, "without paceline: the retries of a stock SDK"),
            Some((Limits::Configured, _)) => (2, "with paceline, which is told the limits"),
            Some((Limits::Learned, _)) => {
                (2, "with paceline, which is told no limits and learns them")
            }
        };
        let done = elapsed.as_secs_f64() / self.length.as_secs_f64();
        let mut lines = vec![
            format!("{} {name}", style.bold(&format!("Phase {number} of 2"))),
            format!("{}  {}", bar(done, TIME_BAR_COLUMNS), self.clock(elapsed)),
            String::new(),
        ];
        let (without, with) = match &self.paced {
            None => (score, None),
            Some((_, before)) => (before, Some(score)),
        };
        lines.extend(table(without, with, style));
        lines
    }

    /// The same in one line.
    pub(super) fn line(&self, elapsed: Duration, score: &Score) -> String {
        let name = if self.paced.is_none() {
            "without paceline"
        } else {
            "with paceline"
        };
        format!(
            "{name:<16}  {}  quota {:>5}  429s {:>5}  answered {:>4}  lost {:>4}  under way {:>3}  \
             chat wait p50 {}, p95 {}  batch {}",
            self.clock(elapsed),
            score.quota_used.map_or("-".to_owned(), percent),
            score.refused_429,
            score.answered,
            score.lost,
            score.under_way,
            wait(score.chat_wait_p50_ms),
            wait(score.chat_wait_p95_ms),
            ratio(score),
        )
    }

    fn clock(&self, elapsed: Duration) -> String {
        let elapsed = elapsed.min(self.length).as_secs();
        format!("{elapsed:>3} s of {} s", self.length.as_secs())
    }
}

/// What is about to be seen.
pub(super) fn title(columns: usize, style: Style) -> Vec<String> {
    let quota = format!(
        "One provider key, shared by three tenants. Its quota: {} tokens and {} requests a \
         minute, enforced in pieces of {} s. Chat asks about once a second; two batch \
         jobs (weights 1 and 3) always have work.",
        grouped(TOKENS_PER_MINUTE),
        REQUESTS_PER_MINUTE,
        PIECE.as_secs()
    );
    let mut lines = vec![style.bold("paceline demo")];
    lines.extend(wrap(&quota, columns.min(100)));
    lines.push(String::new());
    lines
}

/// What has been seen.
pub(super) fn conclusion(
    limits: Limits,
    without: &Score,
    with: &Score,
    style: Style,
) -> Vec<String> {
    let mut lines = table(without, Some(with), style);
    lines.push(String::new());
    let kept = with.refused_429 == 0 && with.lost == 0;
    let verdict = if kept {
        style.green("With paceline, nothing was refused and nothing was lost.")
    } else {
        style.red("With paceline, something was refused or lost: this should not be.")
    };
    lines.push(verdict);
    let told = match limits {
        Limits::Configured => "The gateway was told the limits.",
        Limits::Learned => {
            "The gateway was told no limits: it learned them from the provider's answers."
        }
    };
    lines.push(told.to_owned());
    lines
}

/// Both phases side by side.
fn table(without: &Score, with: Option<&Score>, style: Style) -> Vec<String> {
    let row = |label: &str, cell: &dyn Fn(&Score) -> String| {
        let with = with.map(cell).unwrap_or_default();
        format!(
            "{label:<LABEL_COLUMNS$}{:>PHASE_COLUMNS$}{with:>PHASE_COLUMNS$}",
            cell(without)
        )
    };
    let heading = format!(
        "{:<LABEL_COLUMNS$}{:>PHASE_COLUMNS$}{:>PHASE_COLUMNS$}",
        "", "without paceline", "with paceline"
    );
    vec![
        style.bold(heading.trim_end()),
        row("quota used, once warmed up", &quota),
        row("429s from the provider", &|score| {
            grouped(score.refused_429)
        }),
        row("requests answered", &|score| grouped(score.answered)),
        row("requests lost", &|score| grouped(score.lost)),
        row("under way", &|score| grouped(score.under_way)),
        row("tokens of what was answered", &|score| {
            grouped(score.tokens_answered)
        }),
        row("chat questions lost", &|score| {
            format!(
                "{} of {}",
                grouped(score.chat_lost),
                grouped(score.chat_asked)
            )
        }),
        row("chat wait (answered), median", &|score| {
            wait(score.chat_wait_p50_ms)
        }),
        row("chat wait (answered), 95th %", &|score| {
            wait(score.chat_wait_p95_ms)
        }),
        row("batch tokens, weight 1", &|score| {
            grouped(score.batch_a_tokens)
        }),
        row("batch tokens, weight 3", &|score| {
            grouped(score.batch_b_tokens)
        }),
        row("ratio of the two", &ratio),
    ]
}

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
    use super::*;

    fn score() -> Score {
        Score {
            quota_used: Some(0.987),
            refused_429: 1_204,
            answered: 130,
            lost: 310,
            under_way: 24,
            chat_asked: 40,
            chat_lost: 12,
            chat_wait_p50_ms: Some(350),
            chat_wait_p95_ms: None,
            tokens_answered: 40_000,
            batch_a_tokens: 8_000,
            batch_b_tokens: 24_400,
        }
    }

    #[test]
    fn every_line_fits_eighty_columns() {
        let scene = Scene::paced(Duration::from_secs(53), Limits::Learned, score());
        let mut lines = scene.frame(Duration::from_secs(9), &score(), Style::default());
        lines.extend(title(80, Style::default()));
        lines.extend(conclusion(
            Limits::Learned,
            &score(),
            &score(),
            Style::default(),
        ));
        for line in lines {
            assert!(line.chars().count() <= 80, "{line:?}");
        }
    }

    #[test]
    fn the_table_sets_the_phases_side_by_side() {
        let lines = table(&score(), Some(&score()), Style::default());
        assert_eq!(
            lines[2],
            "429s from the provider                         1,204                   1,204"
        );
        let alone = table(&score(), None, Style::default());
        assert_eq!(
            alone[12].trim_end(),
            "ratio of the two                             1 : 3.0"
        );
    }
}
