//! What a call to the provider is expected to take, and how it waits.

use std::time::Duration;

use http::Method;
use paceline_limiter::{Charge, ChargeParts, Metric, TenantId, Tier};
use paceline_provider::{ChargeRule, Endpoint, RequestFacts};
use paceline_tokens::NOTHING_KNOWN_INPUT_TOKENS;

/// A call that is about to be made: what it takes from the quota, and how it waits.
///
/// ```
/// use std::time::Duration;
/// use paceline::{Call, Tier};
///
/// let call = Call::of_text("Why is the sky blue?", 200)
///     .tenant("chat")
///     .tier(Tier::Interactive)
///     .max_wait(Duration::from_secs(10));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Call {
    requests: u64,
    tokens: Tokens,
    images: u64,
    pub(crate) tenant: TenantId,
    pub(crate) tier: Option<Tier>,
    pub(crate) max_wait: Option<Duration>,
    pub(crate) retry: bool,
}

/// What is known of a call's tokens beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tokens {
    /// Their number.
    Whole(u64),
    /// What the provider makes their number from.
    Parts(ChargeParts),
}

impl Default for Call {
    fn default() -> Self {
        Self::new()
    }
}

impl Call {
    /// One request without tokens.
    pub const fn new() -> Self {
        Self {
            requests: 1,
            tokens: Tokens::Whole(0),
            images: 0,
            tenant: TenantId(0),
            tier: None,
            max_wait: None,
            retry: false,
        }
    }

    /// One request of so many tokens, input and output together.
    pub const fn of_tokens(tokens: u64) -> Self {
        let mut call = Self::new();
        call.tokens = Tokens::Whole(tokens);
        call
    }

    /// One request with so many tokens of input that allows for so many of output.
    ///
    /// Where it is known or can be learned how the provider combines the two at admission, that is
    /// what the call takes; see [`Settling`](crate::Settling).
    pub const fn of_parts(input_tokens: u64, output_tokens_max: u64) -> Self {
        let mut call = Self::new();
        call.tokens = Tokens::Parts(ChargeParts {
            input: input_tokens,
            output_max: output_tokens_max,
        });
        call
    }

    /// One request with this text as its input: a quarter of its characters in tokens, rounded up,
    /// which is how OpenAI counts a request when it admits it.
    pub fn of_text(text: &str, output_tokens_max: u64) -> Self {
        let characters = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
        Self::of_parts(characters.div_ceil(4), output_tokens_max)
    }

    /// The call that `POST path` with this JSON body makes of an API in OpenAI's dialect, such as
    /// `/v1/chat/completions`: text, images and allowed output are read from the body.
    ///
    /// It never fails. Of a body that cannot be read the call takes a deliberately high estimate.
    ///
    /// ```
    /// use paceline::{Call, Metric};
    ///
    /// let body = br#"{"model":"m","max_completion_tokens":90,"messages":[
    ///     {"role":"user","content":"Why is the sky blue?"}]}"#;
    /// let call = Call::of_openai("/v1/chat/completions", body);
    /// assert_eq!(call.charge().get(Metric::Tokens), 5 + 90);
    /// ```
    pub fn of_openai(path: &str, body: &[u8]) -> Self {
        let endpoint = Endpoint::classify(&Method::POST, path);
        let Ok(facts) = RequestFacts::parse(endpoint.kind, body) else {
            let bytes = u64::try_from(body.len()).unwrap_or(u64::MAX);
            return Self::of_parts(bytes.div_ceil(2).max(NOTHING_KNOWN_INPUT_TOKENS), 0);
        };
        let rule = ChargeRule::OPENAI;
        Self::of_parts(rule.input_tokens(&facts), rule.output_tokens(&facts))
            .images(ChargeRule::images(endpoint.pacing, &facts))
    }

    /// Counts as so many requests; one where it is not said.
    pub const fn requests(mut self, requests: u64) -> Self {
        self.requests = requests;
        self
    }

    /// Takes so many images.
    pub const fn images(mut self, images: u64) -> Self {
        self.images = images;
        self
    }

    /// Whose call it is. Tenants share the quota by their weights; calls that name none are one
    /// tenant together. See [`PacerBuilder::tenant`](crate::PacerBuilder::tenant).
    pub fn tenant(mut self, name: &str) -> Self {
        self.tenant = tenant_id(name);
        self
    }

    /// How urgent it is, whatever is set for its tenant.
    pub const fn tier(mut self, tier: Tier) -> Self {
        self.tier = Some(tier);
        self
    }

    /// How long it may wait for its turn, whatever is set for its tenant. A wait that would be
    /// longer is refused at once.
    pub const fn max_wait(mut self, max_wait: Duration) -> Self {
        self.max_wait = Some(max_wait);
        self
    }

    /// It was let go before and has to go again: it waits in front of its tenant's other calls.
    pub const fn again(mut self) -> Self {
        self.retry = true;
        self
    }

    /// What it takes from each kind of limit. Input and allowed output count together here.
    #[must_use]
    pub fn charge(&self) -> Charge {
        let (total, input, output) = match self.tokens {
            Tokens::Whole(tokens) => (tokens, tokens, 0),
            Tokens::Parts(parts) => (
                parts.input.saturating_add(parts.output_max),
                parts.input,
                parts.output_max,
            ),
        };
        Charge::ZERO
            .with(Metric::Requests, self.requests)
            .with(Metric::Tokens, total)
            .with(Metric::InputTokens, input)
            .with(Metric::OutputTokens, output)
            .with(Metric::Images, self.images)
    }

    /// What its token charge is made from, as far as it says.
    pub(crate) const fn parts(&self) -> Option<ChargeParts> {
        match self.tokens {
            Tokens::Whole(_) => None,
            Tokens::Parts(parts) => Some(parts),
        }
    }
}

/// The number that stands for a tenant: FNV-1a over the name, so that it is the same in every
/// process.
pub(crate) fn tenant_id(name: &str) -> TenantId {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    TenantId(hash)
}
