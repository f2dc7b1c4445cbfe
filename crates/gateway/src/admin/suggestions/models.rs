//! A cheaper model that would do.

use paceline_admin_api::{Suggestion, SuggestionKind};
use paceline_ledger::Usage;
use paceline_tokens::prices::Price;

use super::family::family;
use super::{Evidence, SAVING_MIN_NANOUSD, average_call, figures, is_priced_text, saving};

/// Answers of up to this many tokens are short: a word, a number, a short paragraph.
const SHORT_ANSWER_TOKENS: u64 = 300;

/// The cheapest model of the same family, where the answers of a model are short and it hardly
/// reasons.
pub(super) fn cheaper(evidence: &Evidence, model: &str, usage: &Usage) -> Option<Suggestion> {
    let call = average_call(usage);
    let reasons = usage.reasoning_tokens * 4 > usage.output_tokens;
    let is_short = (1..=SHORT_ANSWER_TOKENS).contains(&call.output_tokens);
    if !is_priced_text(usage) || !is_short || reasons {
        return None;
    }
    let now = evidence.price(model)?;
    let now_nanousd = now.cost(&call).ok()?.nanousd;
    let own = family(model)?;
    let holds = call.input_tokens + call.output_tokens;
    let fits = |price: &&Price| price.context_tokens().is_none_or(|most| most >= holds);
    let known = evidence.book.in_force(evidence.day);
    let (cost, other) = known
        .filter(|price| price.provider() == &*evidence.provider)
        .filter(fits)
        .flat_map(|price| {
            price
                .models()
                .iter()
                .map(move |model| (price, model.as_str()))
        })
        .filter(|(_, other)| family(other).as_ref() == Some(&own))
        .filter_map(|(price, other)| Some((price.cost(&call).ok()?.nanousd, other)))
        .min()?;
    let saved = saving(usage.cost_nanousd, now_nanousd, cost);
    if saved < SAVING_MIN_NANOUSD {
        return None;
    }
    let percent = (now_nanousd - cost) * 100 / now_nanousd.max(1);
    let (calls, output) = (usage.sent, call.output_tokens);
    Some(Suggestion {
        kind: SuggestionKind::CheaperModel,
        subject: model.to_owned(),
        text: format!(
            "try {other} for some of the {calls} calls to {model}: their answers have {output} \
             tokens on average, and {other} costs {percent} % less for such calls; compare answers \
             first"
        ),
        evidence: figures([
            ("calls", calls),
            ("average_input_tokens", call.input_tokens),
            ("average_output_tokens", output),
            ("cost_nanousd", usage.cost_nanousd),
            ("average_call_now_nanousd", now_nanousd),
            ("average_call_then_nanousd", cost),
        ]),
        saving_nanousd: Some(saved),
    })
}
