//! What must hold in every run, whatever the scenario.

use paceline_simulator::{Quota, QuotaKind, verify};

use crate::scenario::{QuotaRule, Scenario};
use crate::world::Outcome;

/// Every rule that was broken, in words.
pub(crate) fn violations(scenario: &Scenario, outcome: &Outcome) -> Vec<String> {
    let mut violations = outcome.story.broken.clone();
    violations.extend(twice_answered(outcome));
    violations.extend(over_limit(scenario, outcome));
    violations
}

/// Each request has one answer, or none if the time was up before it.
fn twice_answered(outcome: &Outcome) -> Option<String> {
    let answers: u64 = outcome.story.fates.iter().sum();
    let calls = &outcome.calls;
    let answered = calls.iter().filter(|call| call.answers == 1).count() as u64;
    let open = calls.iter().filter(|call| call.answers == 0).count() as u64;
    let total = calls.len() as u64;
    (answers != answered || answered + open != total)
        .then(|| format!("{total} requests got {answers} answers, with {open} open"))
}

/// The provider's own decisions, judged by definition: a simulation is worth no more than its judge.
fn over_limit(scenario: &Scenario, outcome: &Outcome) -> Vec<String> {
    let provider = &scenario.provider;
    // What a refused request takes is not in the journal.
    if provider.refusals_count {
        return Vec::new();
    }
    let others = !provider.foreign.is_empty() || !provider.foreign_burst.is_empty();
    // A window that others open cannot be told from what the senders did.
    let told = |quota: &Quota| !(others && quota.kind == QuotaKind::FixedFromFirstUse);
    let judged = provider.quota.iter().map(QuotaRule::quota).filter(told);
    judged
        .filter_map(|quota| verify(&outcome.journal, &quota).err())
        .map(|violation| format!("the provider admitted too much: {violation}"))
        .collect()
}
