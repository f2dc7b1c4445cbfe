//! Prompts that are worth trimming.

use paceline_admin_api::{Suggestion, SuggestionKind};
use paceline_ledger::Usage;
use paceline_tokens::prices::BilledUsage;

use super::{Evidence, SAVING_MIN_NANOUSD, average_call, figures, is_priced_text, saving};

/// Prompts of fewer tokens have little to trim.
const LARGE_PROMPT_TOKENS: u64 = 1_000;

/// How much of a prompt is taken to be dispensable, in percent.
const TRIMMED_PERCENT: u64 = 20;

/// What shorter prompts would save, where those of an endpoint and model are large.
pub(super) fn trimmed(
    evidence: &Evidence,
    (route, model): (&str, &str),
    usage: &Usage,
) -> Option<Suggestion> {
    let call = average_call(usage);
    if !is_priced_text(usage) || call.input_tokens < LARGE_PROMPT_TOKENS {
        return None;
    }
    let kept = |tokens: u64| tokens * (100 - TRIMMED_PERCENT) / 100;
    let shorter = BilledUsage {
        input_tokens: kept(call.input_tokens),
        cached_tokens: kept(call.cached_tokens),
        cache_write_tokens: kept(call.cache_write_tokens),
        ..call
    };
    let price = evidence.price(model)?;
    let now = price.cost(&call).ok()?.nanousd;
    let then = price.cost(&shorter).ok()?.nanousd;
    let saved = saving(usage.cost_nanousd, now, then);
    if saved < SAVING_MIN_NANOUSD {
        return None;
    }
    let (calls, average) = (usage.sent, call.input_tokens);
    Some(Suggestion {
        kind: SuggestionKind::TrimPrompts,
        subject: format!("{route} {model}"),
        text: format!(
            "look for what the prompts of the {calls} calls to {model} by {route} do not need: they \
             have {average} tokens on average, {TRIMMED_PERCENT} % less would save this"
        ),
        evidence: figures([
            ("calls", calls),
            ("average_input_tokens", average),
            ("max_input_tokens", usage.max_input_tokens),
            ("cached_tokens", usage.cached_tokens),
            ("trimmed_percent", TRIMMED_PERCENT),
            ("cost_nanousd", usage.cost_nanousd),
        ]),
        saving_nanousd: Some(saved),
    })
}
