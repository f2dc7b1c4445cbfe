//! What was learned between two looks at a pool.

use std::time::Duration;

use paceline_admin_api::ChangeKind;
use paceline_limiter::{
    ChargeBelief, ChargeFormula, DomainSnapshot, LimitBelief, LimitSource, LimitView, Metric,
    Timestamp, WindowKind,
};

use super::words;

/// A pool's limits and charge as they were seen last.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    limits: Vec<SeenLimit>,
    charge: Option<ChargeFormula>,
}

/// A limit as it was seen last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SeenLimit {
    metric: Metric,
    window: Duration,
    amount: u64,
    kind: Option<WindowKind>,
    piece: Option<u64>,
    /// Whether an answer of this run has told of it.
    is_told: bool,
}

/// Something that was learned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Learned {
    pub(super) at: Timestamp,
    pub(super) kind: ChangeKind,
    pub(super) metric: Metric,
    pub(super) window: Option<Duration>,
    pub(super) before: Option<String>,
    pub(super) after: String,
    pub(super) reason: String,
}

impl SeenLimit {
    fn of(limit: &LimitView) -> Self {
        let belief = limit.belief.as_ref();
        Self {
            metric: limit.metric,
            window: limit.window,
            amount: limit.amount,
            kind: WindowKind::of(&limit.model),
            piece: belief.and_then(|belief| belief.piece),
            is_told: belief.is_some_and(|belief| belief.verified),
        }
    }

    fn is_of(&self, limit: &LimitView) -> bool {
        (self.metric, self.window) == (limit.metric, limit.window)
    }
}

impl Seen {
    /// Takes in how a pool is, and says what is new since the last time.
    pub(super) fn update(&mut self, snapshot: &DomainSnapshot, now: Timestamp) -> Vec<Learned> {
        let mut found = Vec::new();
        for limit in &snapshot.limits {
            let before = self.limits.iter().find(|seen| seen.is_of(limit));
            found.extend(learned(before, limit, now));
        }
        self.limits = snapshot.limits.iter().map(SeenLimit::of).collect();
        let before = self.charge.replace(snapshot.charge.formula);
        found.extend(charge(before, &snapshot.charge, now));
        found
    }
}

/// What is new of a limit.
fn learned(before: Option<&SeenLimit>, limit: &LimitView, now: Timestamp) -> Vec<Learned> {
    let after = SeenLimit::of(limit);
    let is_configured = limit.source == LimitSource::Configured;
    let changed_at = limit.belief.and_then(|belief| belief.change);
    let at = changed_at.map_or(now, |change| change.at);
    let note = |at, kind, before, after, reason| Learned {
        at,
        kind,
        metric: limit.metric,
        window: Some(limit.window),
        before,
        after,
        reason,
    };
    let whole = words::limit(limit);
    let mut found = Vec::new();
    let before = match before {
        Some(before) => *before,
        // What is configured, or remembered, was not learned; that less is enforced was.
        None if is_configured || !after.is_told => SeenLimit {
            amount: limit.configured_amount.unwrap_or(limit.amount),
            ..after
        },
        None => {
            let reason = format!("an answer named {whole}");
            found.push(note(
                now,
                ChangeKind::LimitLearned,
                None,
                whole.clone(),
                reason,
            ));
            SeenLimit {
                kind: None,
                piece: None,
                ..after
            }
        }
    };
    if after.amount != before.amount {
        let was = words::amount(before.amount, limit.metric, limit.window);
        let reason = amount_reason(limit, &was);
        found.push(note(at, ChangeKind::Amount, Some(was), whole, reason));
    } else if after.is_told && !before.is_told && !is_configured {
        let reason =
            format!("an answer confirmed {whole}, which was remembered from an earlier run");
        let was = Some("remembered".to_owned());
        found.push(note(now, ChangeKind::LimitLearned, was, whole, reason));
    }
    if after.kind != before.kind {
        let reason = kind_reason(limit.belief.as_ref(), after.kind);
        let (was, is) = (words::kind(before.kind), words::kind(after.kind));
        found.push(note(
            at,
            ChangeKind::WindowKind,
            Some(was.to_owned()),
            is.to_owned(),
            reason,
        ));
    }
    if let Some(piece) = after.piece.filter(|_| after.piece != before.piece) {
        let was = before.piece.map(|piece| format!("pieces of {piece}"));
        let is = format!("pieces of {piece}");
        let reason = format!("a refusal showed that no more than {piece} are let in at once");
        found.push(note(at, ChangeKind::Piece, was, is, reason));
    }
    found
}

fn amount_reason(limit: &LimitView, was: &str) -> String {
    let is = words::limit(limit);
    match (limit.source, limit.configured_amount) {
        (LimitSource::Learned, _) => format!("an answer named {is}, where it had been {was}"),
        (LimitSource::Configured, Some(configured)) => {
            format!("the provider enforces {is}, less than the {configured} that are configured")
        }
        (LimitSource::Configured, None) => format!("{is} are configured now"),
    }
}

fn kind_reason(belief: Option<&LimitBelief>, kind: Option<WindowKind>) -> String {
    let meaning = words::meaning(kind);
    match belief {
        Some(belief) if belief.kind == kind && kind.is_some() => {
            let percent = belief.kind_confidence_permille / 10;
            let answers = belief.decided_after.unwrap_or(belief.answers);
            format!("{answers} answers fit it best, {percent} % sure: {meaning}")
        }
        _ if kind.is_none() => format!("answers no longer fit what was believed: {meaning}"),
        _ => format!("it is configured so now: {meaning}"),
    }
}

fn charge(before: Option<ChargeFormula>, charge: &ChargeBelief, now: Timestamp) -> Option<Learned> {
    let is_news = match before {
        Some(before) => before != charge.formula,
        None => charge.decided_after.is_some(),
    };
    let reason = match charge.decided_after {
        Some(pairs) => {
            let percent = charge.confidence_permille / 10;
            format!("{pairs} pairs of answers fit it best, {percent} % sure")
        }
        None => "answers do not tell yet, so that this is assumed".to_owned(),
    };
    is_news.then(|| Learned {
        at: now,
        kind: ChangeKind::Charge,
        metric: Metric::Tokens,
        window: None,
        before: before.map(|before| words::formula(&before)),
        after: words::formula(&charge.formula),
        reason,
    })
}
