//! What is sent.

use serde::{Deserialize, Serialize};

use crate::random::Dice;

/// A stream of requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Whose requests they are.
    #[serde(default = "everyone")]
    pub tenant: String,
    /// How many tenants of this kind there are; their requests come in turn.
    #[serde(default = "one_tenant")]
    pub tenants: u32,
    /// The weight of each tenant.
    #[serde(default = "one_weight")]
    pub weight: u32,
    /// How urgent the requests are.
    #[serde(default)]
    pub priority: Priority,
    /// When the first one comes.
    #[serde(default)]
    pub start_s: u64,
    /// How they come.
    pub arrivals: Arrivals,
    /// Prompts, in tokens.
    #[serde(default)]
    pub prompt_tokens: Size,
    /// The request's own limit of answer tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// Answers, in tokens; never more than `max_tokens`.
    #[serde(default = "short_answers")]
    pub output_tokens: Size,
    /// How many characters of text a token has; the provider's estimate is a quarter of them.
    #[serde(default = "four")]
    pub characters_per_token: f64,
    /// How long a request may wait before it is of no use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience_s: Option<u64>,
}

/// How urgent requests are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Somebody looks at a screen.
    Interactive,
    /// Ordinary traffic.
    #[default]
    Standard,
    /// Whenever there is room.
    Batch,
}

/// How requests come.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Arrivals {
    /// So many, and not one more; the next comes when one is answered, or a second later where the
    /// answer is an error.
    Job {
        /// How many in all.
        requests: u64,
        /// How many at once; all where it is left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        concurrency: Option<u64>,
    },
    /// Independent of each other, at this share of the first token limit (of the first limit where
    /// none is on tokens).
    Steady {
        /// The share of the limit that they would use, in percent.
        percent_of_quota: f64,
    },
    /// Independent of each other, so many in a minute.
    PerMinute {
        /// How many on average.
        requests: f64,
    },
    /// Many at once, again and again.
    Bursts {
        /// How many at once.
        requests: u64,
        /// How often.
        every_s: u64,
    },
}

/// How large something is, in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Size {
    /// Always the same.
    Fixed(u64),
    /// Log-normal, as prompts are.
    Lognormal {
        /// The mean before the cut.
        mean: u64,
        /// The largest.
        max: u64,
    },
    /// Small ones, and now and then a large one.
    Mixed {
        /// The small ones.
        small: u64,
        /// The large ones.
        large: u64,
        /// How many of all are large.
        large_percent: f64,
    },
    /// Anything between, all as likely.
    Between {
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
    },
}

/// One request's sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// Characters of text.
    pub characters: u64,
    /// Tokens that the prompt really has.
    pub tokens: u64,
    /// The request's own limit of answer tokens.
    pub max_tokens: Option<u64>,
    /// Tokens that the answer will have.
    pub output_tokens: u64,
}

impl Default for Size {
    fn default() -> Self {
        Self::Lognormal {
            mean: 1_000,
            max: 8_000,
        }
    }
}

impl Size {
    pub(crate) fn draw(self, dice: &mut Dice) -> u64 {
        match self {
            Self::Fixed(tokens) => tokens,
            Self::Lognormal { mean, max } => dice.lognormal(mean, max),
            Self::Mixed {
                small,
                large,
                large_percent,
            } => {
                if dice.happens(large_percent) {
                    large
                } else {
                    small
                }
            }
            Self::Between { min, max } => dice.within(min, max),
        }
    }
}

impl Workload {
    pub(crate) fn draw(&self, dice: &mut Dice) -> Prompt {
        let tokens = self.prompt_tokens.draw(dice);
        let output = self.output_tokens.draw(dice);
        Prompt {
            characters: crate::random::whole(tokens as f64 * self.characters_per_token),
            tokens,
            max_tokens: self.max_tokens,
            output_tokens: self.max_tokens.map_or(output, |most| output.min(most)),
        }
    }
}

fn everyone() -> String {
    "all".to_owned()
}

const fn one_tenant() -> u32 {
    1
}

const fn one_weight() -> u32 {
    1
}

const fn short_answers() -> Size {
    Size::Lognormal {
        mean: 250,
        max: 2_000,
    }
}

const fn four() -> f64 {
    4.0
}
