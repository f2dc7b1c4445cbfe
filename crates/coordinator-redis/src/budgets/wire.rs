//! Messages about budgets as the script reads and writes them: numbers, in the script's order.

use paceline_coordinator::Epoch;
use paceline_coordinator::budgets::{
    BudgetAnswer, BudgetAsk, Crossing, Line, Period, Receipt, Request, Spend, Standing, Verdict,
};

use crate::pack::{Packer, Unpacker};

const MINUTE_MS: i64 = 60_000;

pub(super) fn encode(ask: &BudgetAsk) -> Vec<u8> {
    let nothing = Spend::default();
    let (operation, first, second, needs) = match ask.request {
        Request::Reserve {
            lease_ms,
            expected,
            worst,
        } => (1, lease_ms, 0, (expected, worst)),
        Request::Close {
            actual,
            ended_ago_ms,
        } => (2, ended_ago_ms, 0, (actual, nothing)),
        Request::Seed { window_ms, spent } => (3, window_ms, spent, (nothing, nothing)),
        Request::Look => (4, 0, 0, (nothing, nothing)),
    };
    let mut out = Packer::default();
    out.bare(&ask.instance.to_string());
    out.bare(&ask.call.to_string());
    out.number(operation);
    out.number(ask.sequence);
    out.number(u64::from(ask.gives_back));
    out.number(first);
    out.number(second);
    out.number(ask.lines.len() as u64);
    for line in &ask.lines {
        encode_line(&mut out, line, needs);
    }
    out.into_bytes()
}

fn encode_line(out: &mut Packer, line: &Line, (expected, worst): (Spend, Spend)) {
    let budget = &line.budget;
    let period = Period::ALL.iter().position(|one| *one == budget.period);
    let need = expected.of(budget.unit);
    out.number(budget.amount);
    out.number(u64::from(budget.is_hard));
    out.number(period.unwrap_or_default() as u64 + 1);
    out.signed(i64::from(budget.utc_offset_min) * MINUTE_MS);
    out.number(line.keeps);
    out.number(need);
    out.number(worst.of(budget.unit).max(need));
    let (kind, epoch, window_ms) = match line.receipt {
        Receipt::Held { epoch, window_ms } => (1, epoch.0, window_ms),
        Receipt::Elsewhere { window_ms } => (2, 0, window_ms),
        Receipt::Unsure => (3, 0, 0),
    };
    for number in [kind, epoch, window_ms, budget.thresholds.len() as u64] {
        out.number(number);
    }
    for percent in &budget.thresholds {
        out.number(u64::from(*percent));
    }
}

/// The answer to a message; nothing where it cannot be one.
pub(super) fn decode(ask: &BudgetAsk, bytes: &[u8]) -> Option<BudgetAnswer> {
    let mut from = Unpacker::new(bytes);
    let now_ms = whole(&mut from)?;
    let kind = whole(&mut from)?;
    let line = from.number()?;
    let need = whole(&mut from)?;
    let time = from.number()?;
    let verdict = match kind {
        1 => Verdict::Reserved,
        2 => Verdict::Wait {
            line: whole_of(line)?.try_into().ok()?,
            until_ms: some(time),
        },
        3 => Verdict::Refused {
            line: whole_of(line)?.try_into().ok()?,
            need,
            free_at_ms: some(time),
        },
        4 => Verdict::Unseeded,
        5 => Verdict::Ended,
        6 => Verdict::Done,
        _ => return None,
    };
    let mut standings = Vec::with_capacity(ask.lines.len());
    let mut crossings = Vec::new();
    for line in 0..ask.lines.len() {
        standings.push(standing(&mut from)?);
        for _ in 0..from.count()? {
            let percent = whole(&mut from)?.try_into().ok()?;
            crossings.push(Crossing { line, percent });
        }
    }
    Some(BudgetAnswer {
        now_ms,
        verdict,
        standings,
        crossings,
        wakes: Vec::new(),
    })
}

fn standing(from: &mut Unpacker<'_>) -> Option<Standing> {
    Some(Standing {
        is_known: whole(from)? == 1,
        epoch: Epoch(whole(from)?),
        window_ms: whole(from)?,
        window_end_ms: some(from.number()?),
        spent: whole(from)?,
        held: whole(from)?,
        elsewhere: whole(from)?,
        share: whole(from)?,
        instances: whole(from)?,
    })
}

fn whole(from: &mut Unpacker<'_>) -> Option<u64> {
    whole_of(from.number()?)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is not negative, and saturates"
)]
fn whole_of(number: f64) -> Option<u64> {
    (number >= 0.0).then_some(number as u64)
}

/// A number that is negative where there is none.
fn some(number: f64) -> Option<u64> {
    whole_of(number)
}
