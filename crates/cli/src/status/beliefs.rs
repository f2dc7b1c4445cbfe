//! What a gateway believes of its provider's limits, in words.

use std::time::Duration;

use paceline_admin_api::{BeliefState, ChargeState, LimitState, PoolState};

use crate::figures::{counted, grouped, per, percent, span_ms};
use crate::terminal::plain;

/// Columns that a block keeps to.
const COLUMNS: usize = 80;

/// A space at which no line ends.
const HELD: &str = "\u{a0}";

/// The lines to print; none while answers have told nothing.
pub(super) fn lines(pool: &PoolState) -> Vec<String> {
    let believed: Vec<_> = pool
        .limits
        .iter()
        .filter_map(|limit| Some((limit, limit.belief.as_ref()?)))
        .collect();
    if believed.is_empty() {
        return Vec::new();
    }
    let mut lines = vec!["  what answers have told:".to_owned()];
    for (limit, belief) in &believed {
        lines.extend(wrapped(&about(limit, belief)));
    }
    let counts_tokens = believed.iter().any(|(limit, _)| limit.metric == "tokens");
    if let Some(charge) = pool.charge.as_ref().filter(|_| counts_tokens) {
        lines.extend(wrapped(&charge_words(charge)));
    }
    lines
}

fn about(limit: &LimitState, belief: &BeliefState) -> String {
    let metric = plain(&limit.metric).replace('_', " ");
    let window = per(Duration::from_millis(limit.window_ms));
    let source = match belief.verified {
        true => plain(&limit.source),
        false => "remembered, not confirmed yet".to_owned(),
    };
    let mut words = vec![kind(belief), certainty(belief)];
    words.push(format!("{} used", grouped(limit.used)));
    if belief.confirmed > 0 {
        words.push(format!("{} let in at most", grouped(belief.confirmed)));
    }
    words.push(others(belief));
    words.extend(change(belief));
    format!(
        "{} {metric} {window} ({source}): {}",
        grouped(limit.amount),
        words.join("; ")
    )
}

fn kind(belief: &BeliefState) -> String {
    let kind = match belief.kind.as_deref() {
        None => "window of unknown kind".to_owned(),
        Some("bucket") => "a bucket".to_owned(),
        Some("fixed") => fixed(belief),
        Some("sliding") => "a sliding window".to_owned(),
        Some(other) => plain(other),
    };
    match (belief.piece, belief.quantum_ms) {
        (Some(piece), Some(quantum)) => {
            let (piece, quantum) = (grouped(piece), time(quantum));
            format!("{kind}, enforced in pieces of {piece} ({quantum} each)")
        }
        _ => kind,
    }
}

fn fixed(belief: &BeliefState) -> String {
    let opens = match belief.aligned {
        Some(true) => " that follow the clock",
        Some(false) => " that open at the first use",
        None => "",
    };
    let ends = belief.ends_in_ms.map(|ends| {
        let within = belief.phase_spread_ms.map_or(String::new(), |spread| {
            format!(" (known to {})", time(spread))
        });
        format!(", this one ends in {}{within}", time(ends))
    });
    format!("fixed windows{opens}{}", ends.unwrap_or_default())
}

fn certainty(belief: &BeliefState) -> String {
    let seen = counted(belief.answers, "answer");
    match (&belief.kind, belief.decided_after_answers) {
        (Some(_), Some(after)) => {
            let sure = certain(belief.kind_confidence);
            format!("{sure} sure, told by {after} of {seen}")
        }
        (Some(_), None) => format!("{} sure, {seen}", certain(belief.kind_confidence)),
        (None, _) if belief.answers == 0 => "no answer yet".to_owned(),
        (None, _) => format!("{seen} did not tell"),
    }
}

fn others(belief: &BeliefState) -> String {
    match (belief.foreign_per_minute, belief.reserve) {
        (0, 0) => "nobody else uses it".to_owned(),
        (foreign, 0) => format!("others use {} a minute", grouped(foreign)),
        (foreign, reserve) => format!(
            "others use {} a minute, {} kept free for them",
            grouped(foreign),
            grouped(reserve)
        ),
    }
}

fn change(belief: &BeliefState) -> Option<String> {
    let ago = time(belief.changed_ms_ago?);
    let why = match (belief.change_reason.as_deref()?, belief.amount_before) {
        ("kind", _) => "the kind was told".to_owned(),
        ("amount", Some(before)) => format!("it was {}", grouped(before)),
        ("piece", _) => "a refusal showed pieces".to_owned(),
        (other, _) => plain(other),
    };
    Some(format!("changed {ago} ago: {why}"))
}

fn charge_words(charge: &ChargeState) -> String {
    let input = match charge.input_coefficient {
        one if (one - 1.0).abs() < 1e-9 => "the input".to_owned(),
        more => format!("{more:.2} times the input"),
    };
    let formula = match charge.formula.as_str() {
        "max" => format!("the larger of {input} and the allowed output"),
        "sum" => format!("{input} and the allowed output together"),
        "input" => format!("{input} alone"),
        other => plain(other),
    };
    let mut words = vec![formula];
    if charge.refunds {
        words.push("corrected to what was used".to_owned());
    }
    if charge.failures_free {
        words.push("failures are free".to_owned());
    }
    words.push(match (charge.confidence, charge.decided_after) {
        (sure, Some(after)) if sure > 0.0 => {
            format!("{} sure, told by {}", certain(sure), counted(after, "pair")) + " of answers"
        }
        (sure, None) if sure > 0.0 => format!("{} sure", certain(sure)),
        _ => "assumed until answers tell".to_owned(),
    });
    format!("a request is charged {}", words.join("; "))
}

/// A time that no line ends in the middle of.
fn time(milliseconds: u64) -> String {
    span_ms(milliseconds).replace(' ', HELD)
}

/// The same of a share.
fn certain(share: f64) -> String {
    percent(share).replace(' ', HELD)
}

/// The words in lines of [`COLUMNS`], the first one indented less than the rest.
fn wrapped(words: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = "   ".to_owned();
    for word in words.split(' ') {
        let is_full = line.chars().count() + 1 + word.chars().count() > COLUMNS;
        if is_full && !line.trim().is_empty() {
            lines.push(std::mem::replace(&mut line, "     ".to_owned()));
        }
        line.push(' ');
        line.push_str(&word.replace(HELD, " "));
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn belief() -> BeliefState {
        BeliefState {
            kind: Some("bucket".into()),
            kind_confidence: 0.998,
            decided_after_answers: Some(12),
            answers: 1_234,
            ends_in_ms: None,
            phase_spread_ms: None,
            aligned: None,
            confirmed: 52_000,
            piece: Some(1_000),
            quantum_ms: Some(1_000),
            usual_charge: 210,
            foreign_per_minute: 1_200,
            reserve: 400,
            verified: true,
            changed_ms_ago: Some(90_000),
            change_reason: Some("amount".into()),
            amount_before: Some(90_000),
        }
    }

    fn pool(beliefs: Vec<BeliefState>) -> PoolState {
        let limits = beliefs.into_iter().map(|belief| LimitState {
            metric: "tokens".into(),
            amount: 60_000,
            window_ms: 60_000,
            kind: "bucket".into(),
            used: 45_000,
            clear_in_ms: 45_000,
            source: "learned".into(),
            hit_in_ms: None,
            demand_ratio: 0.0,
            belief: Some(belief),
        });
        PoolState {
            serves: Vec::new(),
            name: "default".into(),
            limits: limits.collect(),
            charge: Some(ChargeState {
                formula: "max".into(),
                input_coefficient: 1.25,
                refunds: true,
                failures_free: false,
                confidence: 0.97,
                decided_after: Some(14),
            }),
            in_flight: 0,
            concurrency_max: None,
            spacing_ms: 0,
            waiting: 0,
            queue_growth_per_minute: 0.0,
            probe_concurrency: None,
            sharing: None,
            cool_down: None,
            episode: None,
            throttles: vec![],
            tokens: paceline_admin_api::TokenTotals::default(),
        }
    }

    #[test]
    fn beliefs_are_told_in_words_within_eighty_columns() {
        let fixed = BeliefState {
            kind: Some("fixed".into()),
            ends_in_ms: Some(12_000),
            phase_spread_ms: Some(40),
            aligned: Some(true),
            piece: None,
            quantum_ms: None,
            foreign_per_minute: 0,
            reserve: 0,
            change_reason: Some("kind".into()),
            amount_before: None,
            ..belief()
        };
        let remembered = BeliefState {
            kind: None,
            kind_confidence: 0.0,
            decided_after_answers: None,
            answers: 0,
            verified: false,
            changed_ms_ago: None,
            change_reason: None,
            ..fixed
        };
        let lines = lines(&pool(vec![belief(), fixed, remembered]));
        let expected = "  what answers have told:
    60,000 tokens a minute (learned): a bucket, enforced in pieces of 1,000
      (1.0 s each); 99 % sure, told by 12 of 1,234 answers; 45,000 used; 52,000
      let in at most; others use 1,200 a minute, 400 kept free for them; changed
      90 s ago: it was 90,000
    60,000 tokens a minute (learned): fixed windows that follow the clock, this
      one ends in 12 s (known to 40 ms); 99 % sure, told by 12 of 1,234 answers;
      45,000 used; 52,000 let in at most; nobody else uses it; changed 90 s ago:
      the kind was told
    60,000 tokens a minute (remembered, not confirmed yet): window of unknown
      kind; no answer yet; 45,000 used; 52,000 let in at most; nobody else uses
      it
    a request is charged the larger of 1.25 times the input and the allowed
      output; corrected to what was used; 97 % sure, told by 14 pairs of answers";
        assert_eq!(lines.join("\n"), expected);
        assert!(lines.iter().all(|line| line.chars().count() <= COLUMNS));
    }

    #[test]
    fn a_charge_that_is_assumed_says_so() {
        let mut pool = pool(vec![belief()]);
        pool.charge = Some(ChargeState {
            formula: "sum".into(),
            input_coefficient: 1.0,
            refunds: false,
            failures_free: false,
            confidence: 0.0,
            decided_after: None,
        });
        let text = lines(&pool).join(" ").replace("      ", "");
        let expected = "the input and the allowed output together; assumed until answers tell";
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn nothing_is_said_before_answers_tell() {
        assert!(lines(&pool(vec![])).is_empty());
    }
}
