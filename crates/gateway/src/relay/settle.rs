//! What a finished call is settled at.

use paceline_config::SettleRule;
use paceline_limiter::{ActualTokens, Charge, Metric, Outcome as Fate};
use paceline_provider::Usage;

use super::reader::Outcome;
use crate::pace::Lease;
use crate::serve::way::Terms;

/// Characters of output per token, for streams that were cut before they told their usage.
const CHARACTERS_PER_TOKEN: u64 = 4;

/// Settles `lease` by `terms` with what the answer said. A call that was sent is never settled at
/// nothing: what is not known stands as it was reserved.
pub(crate) fn settle(lease: Lease, terms: &Terms, outcome: &Outcome, succeeded: bool) {
    let rule = terms.rule;
    let reserved = lease.charge();
    let actual = match outcome.usage {
        Some(usage) => Some(with_usage(reserved, &usage, terms)),
        None => at_least_seen(reserved, outcome.output_characters),
    };
    let charged = match rule {
        SettleRule::AtAdmission | SettleRule::Learned => None,
        SettleRule::Highest => actual.map(|actual| highest(reserved, actual)),
        // Without a usage the reservation is the best that is known, unless more was seen already.
        SettleRule::Actual if outcome.usage.is_some() => actual,
        SettleRule::Actual => actual.map(|actual| highest(reserved, actual)),
    };
    let fate = if succeeded {
        Fate::Success
    } else {
        Fate::Failed
    };
    let told = outcome.usage.filter(|_| rule == SettleRule::Learned);
    let told = told.map(|usage| ActualTokens {
        input: usage.input_tokens,
        output: usage.output_tokens,
    });
    lease.settle(charged, told, fate);
}

/// What the provider counts in the end; where it has a rule of its own for that, by that rule.
fn with_usage(reserved: Charge, usage: &Usage, terms: &Terms) -> Charge {
    if let Some((profile, model)) = &terms.counted
        && profile.is_known()
    {
        let used = profile.used(model, usage);
        return reserved
            .with(Metric::Tokens, used.tokens)
            .with(Metric::InputTokens, used.input_tokens)
            .with(Metric::OutputTokens, used.output_tokens);
    }
    let total = usage
        .total_tokens
        .max(usage.input_tokens.saturating_add(usage.output_tokens));
    reserved
        .with(Metric::Tokens, total)
        .with(Metric::InputTokens, usage.input_tokens)
        .with(Metric::OutputTokens, usage.output_tokens)
}

fn at_least_seen(reserved: Charge, output_characters: u64) -> Option<Charge> {
    let seen = output_characters / CHARACTERS_PER_TOKEN;
    (seen > reserved.get(Metric::OutputTokens)).then(|| reserved.with(Metric::OutputTokens, seen))
}

fn highest(a: Charge, b: Charge) -> Charge {
    Metric::ALL
        .into_iter()
        .fold(Charge::ZERO, |charge, metric| {
            charge.with(metric, a.get(metric).max(b.get(metric)))
        })
}
