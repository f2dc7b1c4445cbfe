//! What is believed of limits and charges, as the admin plane answers it.

use paceline_admin_api::{BeliefState, ChargeState};
use paceline_limiter::{ChangeReason, ChargeBelief, LimitBelief, LimitView, Timestamp, WindowKind};

use crate::exchange::milliseconds;

/// What is believed of `limit`.
pub(super) fn belief_state(belief: &LimitBelief, limit: &LimitView, now: Timestamp) -> BeliefState {
    let change = belief.change;
    BeliefState {
        kind: belief.kind.map(|kind| kind_name(kind).to_owned()),
        kind_confidence: fraction(belief.kind_confidence_permille),
        decided_after_answers: belief.decided_after,
        answers: belief.answers,
        ends_in_ms: belief.ends_in.map(milliseconds),
        phase_spread_ms: belief.end_spread.map(milliseconds),
        aligned: belief.aligned,
        confirmed: belief.confirmed,
        piece: belief.piece,
        quantum_ms: belief.piece.map(|piece| quantum_ms(piece, limit)),
        usual_charge: belief.usual_charge,
        foreign_per_minute: belief.foreign_per_minute,
        reserve: belief.reserve,
        verified: belief.verified,
        changed_ms_ago: change.map(|change| milliseconds(now.saturating_since(change.at))),
        change_reason: change.map(|change| reason_name(change.reason).to_owned()),
        amount_before: change.and_then(|change| match change.reason {
            ChangeReason::Amount { before } => Some(before),
            ChangeReason::Kind | ChangeReason::Piece => None,
        }),
    }
}

/// What is believed of the token charge.
pub(super) fn charge_state(charge: &ChargeBelief) -> ChargeState {
    let formula = &charge.formula;
    ChargeState {
        formula: formula.combine.name().to_owned(),
        input_coefficient: fraction(formula.input_permille),
        refunds: formula.refunds,
        failures_free: formula.failures_free,
        confidence: fraction(charge.confidence_permille),
        decided_after: charge.decided_after,
    }
}

pub(super) fn fraction(permille: u32) -> f64 {
    f64::from(permille) / 1_000.0
}

/// The time in which a piece is refilled.
fn quantum_ms(piece: u64, limit: &LimitView) -> u64 {
    let time = u128::from(piece) * limit.window.as_millis();
    u64::try_from(time / u128::from(limit.amount.max(1))).unwrap_or(u64::MAX)
}

fn kind_name(kind: WindowKind) -> &'static str {
    match kind {
        WindowKind::Bucket => "bucket",
        WindowKind::Fixed => "fixed",
        WindowKind::Sliding => "sliding",
    }
}

fn reason_name(reason: ChangeReason) -> &'static str {
    match reason {
        ChangeReason::Kind => "kind",
        ChangeReason::Amount { .. } => "amount",
        ChangeReason::Piece => "piece",
    }
}
