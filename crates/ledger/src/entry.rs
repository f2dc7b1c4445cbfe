//! One record for each call, and how long its texts may be.

mod columns;
mod passed;

use serde::{Deserialize, Serialize};

pub(crate) use columns::{COLUMNS, entry_table, tag_table};
pub use passed::PASSED_BYTES_MAX;

/// The longest text of a record, in bytes: names of tenants, models, sessions and the like. Longer
/// ones are cut at the end of a character.
pub const TEXT_BYTES_MAX: usize = 256;

/// The most tags of one record; those after them are left out.
pub const TAGS_MAX: usize = 16;

/// The largest count of tokens, images or milliseconds of one record; larger ones are taken as this.
/// Sums of nine million such records still fit.
pub const COUNT_MAX: u64 = 1_000_000_000_000;

/// The largest cost of one record, a million dollars; a larger one is taken as this.
pub const COST_NANOUSD_MAX: u64 = 1_000_000_000_000_000;

/// The latest time that is believed: the end of the year 9999.
const TIME_MS_MAX: i64 = 253_402_300_799_999;

/// Names one call for good, whatever happens to its record on the way.
///
/// Whoever serves the call makes it: unique over all instances, and best increasing with time, as
/// ULIDs and UUIDs of version 7 are, since stores keep neighbours together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u128);

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The provider answered, and the answer reached the caller.
    Ok,
    /// The provider answered with an error.
    ProviderError,
    /// It was refused here and never sent.
    Refused,
    /// The provider could not be reached, or broke off.
    UpstreamFailed,
    /// The caller left before the end.
    CallerGone,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Ok,
        Self::ProviderError,
        Self::Refused,
        Self::UpstreamFailed,
        Self::CallerGone,
    ];

    /// Its name in exports and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::ProviderError => "provider_error",
            Self::Refused => "refused",
            Self::UpstreamFailed => "upstream_failed",
            Self::CallerGone => "caller_gone",
        }
    }

    /// The outcome of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.name() == name)
    }

    /// Its number in the stores. A number is never given to another outcome.
    pub(crate) fn code(self) -> i64 {
        match self {
            Self::Ok => 0,
            Self::ProviderError => 1,
            Self::Refused => 2,
            Self::UpstreamFailed => 3,
            Self::CallerGone => 4,
        }
    }

    pub(crate) fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.code() == code)
    }
}

/// What is kept of one call: figures and names. No prompt, no answer, no key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Which call.
    #[serde(with = "call_id_as_text")]
    pub call_id: CallId,
    /// When it ended, in milliseconds since 1970, UTC.
    pub ended_at_ms: i64,
    /// Who is accountable.
    pub tenant: String,
    /// The session it belongs to, as the caller names it.
    pub session: Option<String>,
    /// The id of the caller's key; never the key.
    pub key_id: Option<String>,
    /// What the caller files it under; each at most once.
    pub tags: Vec<String>,
    /// The endpoint: `chat.completions`.
    pub route: String,
    /// Whose API.
    pub provider: String,
    /// The model that was asked for.
    pub model: String,
    /// The model that answered, as the answer names it.
    pub model_answered: Option<String>,
    /// The provider's tier of service: `flex`, `priority`.
    pub service_tier: Option<String>,
    /// The priority in the queue: `interactive`, `batch`.
    pub priority: Option<String>,
    /// Input tokens, cached ones and those of audio and images among them.
    pub input_tokens: u64,
    /// Input tokens that were read from the provider's cache.
    pub cached_tokens: u64,
    /// Input tokens that were written to the provider's cache.
    pub cache_write_tokens: u64,
    /// Output tokens, reasoning and those of audio and images among them.
    pub output_tokens: u64,
    /// Output tokens of reasoning.
    pub reasoning_tokens: u64,
    /// Input tokens of audio.
    pub audio_in_tokens: u64,
    /// Output tokens of audio.
    pub audio_out_tokens: u64,
    /// Input tokens of images.
    pub image_in_tokens: u64,
    /// Output tokens of images.
    pub image_out_tokens: u64,
    /// Images that were made.
    pub images: u64,
    /// Audio that was billed by its length, in milliseconds.
    pub audio_ms: u64,
    /// The version of the prices that the cost follows.
    pub price_version: Option<String>,
    /// The cost in billionths of a dollar, without that of a second attempt; `None`: the price is not
    /// known, which is not 0.
    pub cost_nanousd: Option<u64>,
    /// How many input tokens were expected; 0: there was no estimate.
    pub estimate_tokens: u64,
    /// What the provider's limit was charged for it, in tokens.
    pub charge_tokens: u64,
    /// How long it waited for its turn, in milliseconds.
    pub wait_ms: u64,
    /// How often it was sent; 0: never.
    pub attempts: u64,
    /// From the last sending to the first byte of the answer, in milliseconds.
    pub first_byte_ms: Option<u64>,
    /// From its arrival to its end, in milliseconds.
    pub duration_ms: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// The HTTP status that the caller saw.
    pub status: u16,
    /// The error code that the caller saw.
    pub error_code: Option<String>,
    /// The limit that made it wait.
    pub binding_limit: Option<String>,
    /// The limit pool that it went through.
    pub pool: Option<String>,
    /// The instance that served it.
    pub instance: String,
    /// The lane that answered, or was tried last: a provider entry and the model's name there, as in
    /// `claude/claude-haiku-4-5`.
    pub lane: Option<String>,
    /// The lanes that it went on from and why, in order, as in
    /// `upstream/gpt-4o-mini;overload, second/gpt-4o-mini;error`. [`PASSED_BYTES_MAX`] bytes at most;
    /// the lanes after that are left out.
    pub passed: Option<String>,
    /// The lane of a second attempt that was made beside the first, whichever answered.
    pub hedged: Option<String>,
    /// What that second attempt cost besides [`Entry::cost_nanousd`], in billionths of a dollar; `None`:
    /// there was none, or its price is not known. Sums and budgets count both costs.
    pub hedge_cost_nanousd: Option<u64>,
}

impl Entry {
    /// A record of a call about which nothing but this is known; the other fields are to be set.
    pub fn new(call_id: CallId, ended_at_ms: i64, tenant: impl Into<String>) -> Self {
        Self {
            call_id,
            ended_at_ms,
            tenant: tenant.into(),
            session: None,
            key_id: None,
            tags: Vec::new(),
            route: String::new(),
            provider: String::new(),
            model: String::new(),
            model_answered: None,
            service_tier: None,
            priority: None,
            input_tokens: 0,
            cached_tokens: 0,
            cache_write_tokens: 0,
            output_tokens: 0,
            reasoning_tokens: 0,
            audio_in_tokens: 0,
            audio_out_tokens: 0,
            image_in_tokens: 0,
            image_out_tokens: 0,
            images: 0,
            audio_ms: 0,
            price_version: None,
            cost_nanousd: None,
            estimate_tokens: 0,
            charge_tokens: 0,
            wait_ms: 0,
            attempts: 0,
            first_byte_ms: None,
            duration_ms: 0,
            outcome: Outcome::Ok,
            status: 200,
            error_code: None,
            binding_limit: None,
            pool: None,
            instance: String::new(),
            lane: None,
            passed: None,
            hedged: None,
            hedge_cost_nanousd: None,
        }
    }

    /// What it cost with the second attempt, in billionths of a dollar, as far as prices are known.
    pub(crate) fn whole_cost_nanousd(&self) -> u64 {
        let costs = [self.cost_nanousd, self.hedge_cost_nanousd];
        costs.into_iter().flatten().fold(0, u64::saturating_add)
    }

    /// Whether [`Entry::whole_cost_nanousd`] lacks something.
    pub(crate) fn is_unpriced(&self) -> bool {
        (self.cost_nanousd.is_none() && self.attempts > 0)
            || (self.hedged.is_some() && self.hedge_cost_nanousd.is_none())
    }

    /// The record as it is kept: within its bounds, without control characters, empty names as none,
    /// each tag once and in order.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        self.ended_at_ms = self.ended_at_ms.clamp(0, TIME_MS_MAX);
        for text in [
            &mut self.tenant,
            &mut self.route,
            &mut self.provider,
            &mut self.model,
            &mut self.instance,
        ] {
            bound_text(text);
        }
        for text in [
            &mut self.session,
            &mut self.key_id,
            &mut self.model_answered,
            &mut self.service_tier,
            &mut self.priority,
            &mut self.price_version,
            &mut self.error_code,
            &mut self.binding_limit,
            &mut self.pool,
            &mut self.lane,
            &mut self.hedged,
        ] {
            text.iter_mut().for_each(bound_text);
            text.take_if(|text| text.is_empty());
        }
        self.passed = self.passed.and_then(passed::bounded);
        self.bound_tags();
        self.bound_counts();
        self
    }

    fn bound_tags(&mut self) {
        self.tags.iter_mut().for_each(bound_text);
        self.tags.retain(|tag| !tag.is_empty());
        self.tags.truncate(TAGS_MAX);
        self.tags.sort_unstable();
        self.tags.dedup();
    }

    fn bound_counts(&mut self) {
        for count in [
            &mut self.input_tokens,
            &mut self.cached_tokens,
            &mut self.cache_write_tokens,
            &mut self.output_tokens,
            &mut self.reasoning_tokens,
            &mut self.audio_in_tokens,
            &mut self.audio_out_tokens,
            &mut self.image_in_tokens,
            &mut self.image_out_tokens,
            &mut self.images,
            &mut self.audio_ms,
            &mut self.estimate_tokens,
            &mut self.charge_tokens,
            &mut self.wait_ms,
            &mut self.attempts,
            &mut self.duration_ms,
        ] {
            *count = (*count).min(COUNT_MAX);
        }
        self.first_byte_ms = self.first_byte_ms.map(|ms| ms.min(COUNT_MAX));
        for cost in [&mut self.cost_nanousd, &mut self.hedge_cost_nanousd] {
            *cost = cost.map(|cost| cost.min(COST_NANOUSD_MAX));
        }
    }
}

/// Control characters are replaced: no store, log or spreadsheet can be made to stumble over them.
pub(crate) fn bound_text(text: &mut String) {
    replace_controls(text);
    text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
}

fn replace_controls(text: &mut String) {
    if text.contains(char::is_control) {
        *text = text.replace(char::is_control, "\u{fffd}");
    }
}

/// In files and exports a call is named by 32 hexadecimal digits.
mod call_id_as_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::CallId;

    pub(super) fn serialize<S: Serializer>(id: &CallId, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(id)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<CallId, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl std::fmt::Display for CallId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

impl std::str::FromStr for CallId {
    type Err = CallIdError;

    fn from_str(text: &str) -> Result<Self, CallIdError> {
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(CallIdError);
        }
        let id = u128::from_str_radix(text, 16);
        id.map(Self).map_err(|_| CallIdError)
    }
}

/// A text is no id of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a call is named by 32 hexadecimal digits")]
pub struct CallIdError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_at_the_end_of_a_character_and_lose_control_characters() {
        let mut entry = Entry::new(CallId(1), 5, "a\0b\nc");
        entry.model = format!("x{}", "ä".repeat(TEXT_BYTES_MAX));
        entry.session = Some(String::new());
        entry.input_tokens = u64::MAX;
        entry.ended_at_ms = i64::MIN;
        let entry = entry.bounded();
        assert_eq!(entry.tenant, "a\u{fffd}b\u{fffd}c");
        assert_eq!(entry.model.len(), TEXT_BYTES_MAX - 1);
        assert_eq!(entry.session, None);
        assert_eq!(entry.input_tokens, COUNT_MAX);
        assert_eq!(entry.ended_at_ms, 0);
    }

    #[test]
    fn a_record_that_was_written_without_lanes_is_read() {
        let mut json = serde_json::to_value(Entry::new(CallId(1), 5, "a")).unwrap();
        let fields = json.as_object_mut().unwrap();
        for name in ["lane", "passed", "hedged", "hedge_cost_nanousd"] {
            assert!(fields.remove(name).is_some(), "{name}");
        }
        let entry: Entry = serde_json::from_value(json).unwrap();
        assert_eq!(entry, Entry::new(CallId(1), 5, "a"));
    }

    #[test]
    fn a_second_attempt_costs_besides_the_first() {
        let mut entry = Entry::new(CallId(1), 5, "a");
        entry.attempts = 2;
        entry.cost_nanousd = Some(3);
        assert_eq!(
            (entry.whole_cost_nanousd(), entry.is_unpriced()),
            (3, false)
        );
        entry.hedged = Some("second/gpt-4o".to_owned());
        assert_eq!((entry.whole_cost_nanousd(), entry.is_unpriced()), (3, true));
        entry.hedge_cost_nanousd = Some(u64::MAX);
        let entry = entry.bounded();
        assert_eq!(entry.hedge_cost_nanousd, Some(COST_NANOUSD_MAX));
        assert_eq!(entry.whole_cost_nanousd(), COST_NANOUSD_MAX + 3);
        assert!(!entry.is_unpriced());
    }

    #[test]
    fn tags_are_few_and_each_once() {
        let mut entry = Entry::new(CallId(1), 5, "a");
        entry.tags = vec!["b".into(), String::new(), "a".into(), "b".into()];
        assert_eq!(entry.bounded().tags, ["a", "b"]);
    }

    #[test]
    fn an_id_is_read_as_it_is_written_and_nothing_else_is() {
        let id = CallId(0x1f << 100);
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in [
            "",
            "1f",
            "+000000000000000000000000000001f",
            &"g".repeat(32),
        ] {
            assert_eq!(text.parse::<CallId>(), Err(CallIdError));
        }
    }

    #[test]
    fn outcomes_are_told_apart_by_name_and_number() {
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::from_name(outcome.name()), Some(outcome));
            assert_eq!(Outcome::from_code(outcome.code()), Some(outcome));
        }
        assert_eq!(Outcome::from_code(5), None);
    }
}
